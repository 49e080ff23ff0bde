"""Where MPO's target gap RG^d comes from: the reference, the policy itself, or a constant (Tables 5, 13 and 15)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mpodata.errors import DataError, UnknownName
from mpodata.languages import languages
from mpotrain.data import TrainingRow, TrainingRows


@dataclass(frozen=True, slots=True)
class ReferenceGap:
    """The frozen reference's gap on a row of the same pair: the dominant side (eq. 7) or another language (Table 5)."""

    rows: Mapping[str, TrainingRow]  # by pair_id


@dataclass(frozen=True, slots=True)
class ConstantGap:
    """The same number of nats per token for every pair (Table 13)."""

    value: float


@dataclass(frozen=True, slots=True)
class PolicyGap:
    """The policy's own gap on the dominant side (Table 15).

    The paper lets the gradient flow through both gaps, and both collapse towards zero (Appendix H.3). `detached` stops
    it in the dominant one: not in the paper.
    """

    detached: bool


GapTarget = ReferenceGap | ConstantGap | PolicyGap

POLICY_GAPS = {"policy": PolicyGap(detached=False), "policy-detached": PolicyGap(detached=True)}


def check_gap(name: str) -> None:
    """Raises UnknownName for what is no word of `gap_target`, no finite number and no code of a language."""
    try:
        fits = math.isfinite(float(name))
    except ValueError:
        fits = name in ("dominant", *POLICY_GAPS, *languages())
    if not fits:
        raise UnknownName("gap (or a number, or a language code):", name, ("dominant", *POLICY_GAPS))


def is_own_gap(name: str) -> bool:
    """Whether a gap needs no reference: the policy's own, or a number."""
    return name in POLICY_GAPS or name not in ("dominant", *languages())


def gap_target(name: str, rows: TrainingRows) -> GapTarget:
    """`dominant`, `policy`, `policy-detached`, a number or a language code; raises DataError where no row has it."""
    if name == "dominant":
        return ReferenceGap(rows.dominant)
    if name in POLICY_GAPS:
        return POLICY_GAPS[name]
    try:
        return ConstantGap(float(name))
    except ValueError:
        pass
    of_language = {row.pair_id: row for row in rows.targets if row.language == name}
    if not of_language:
        raise DataError(
            f"gap must be dominant, policy, policy-detached, a number or a language of the rows, got {name!r}. "
            f"Languages: {', '.join(rows.languages())}."
        )
    if without := {row.pair_id for row in rows.targets} - set(of_language):
        raise DataError(f"{len(without)} pairs have no {name} side whose reward gap could be their target.")
    return ReferenceGap(of_language)
