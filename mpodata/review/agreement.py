"""How far two readers agree: raw agreement and Cohen's kappa over the rows that both decided."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mpodata.quality.statistics import kappa
from mpodata.review.decisions import Decision, Key


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readers on the rows that both decided."""

    rows: int
    same: int  # rows with the same verdict
    kappa: float | None  # Cohen (1960); None where no row, or both only ever gave one and the same verdict

    @property
    def raw(self) -> float | None:
        """Share of rows with the same verdict."""
        return self.same / self.rows if self.rows else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "raw": self.raw}


def agreement(first: Mapping[Key, Decision], second: Mapping[Key, Decision]) -> Agreement:
    """Agreement on accept, correct or drop; rows whose texts differ between the two are not counted."""
    pairs = [(first[key].verdict, second[key].verdict) for key in both_decided(first, second)]
    same = sum(ours == theirs for ours, theirs in pairs)
    beyond_chance = kappa([ours for ours, _ in pairs], [theirs for _, theirs in pairs])
    return Agreement(len(pairs), same, None if math.isnan(beyond_chance) else beyond_chance)


def both_decided(first: Mapping[Key, Decision], second: Mapping[Key, Decision]) -> list[Key]:
    """The rows that both decided on the same texts, in the first reader's order."""
    return [
        key
        for key, ours in first.items()
        if (theirs := second.get(key)) is not None
        and ours.texts == theirs.texts
        and "open" not in (ours.verdict, theirs.verdict)
    ]
