"""The reward gap per language: how much likelier a model finds the chosen answers than the rejected ones.

Two forms. Per token, `avg log pi(w) - avg log pi(l)`, is the paper's (Zhao et al. 2025, eq. 4, Table 1; eqs. 6-7 are
the same gap in the loss). DPO's, `beta ((log pi - log pi_ref)(w) - (log pi - log pi_ref)(l))` (eq. 2, Table 6), says
what training changed, and needs the model it began with. The two models are measured one after the other, never both
in memory.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl import ModelConfig

from mpodata.runtime.journal import Journal
from mpodata.runtime.progress import Progress
from mpotrain.data import TrainingRow
from mpotrain.evaluation.statistics import Interval, bootstrap
from mpotrain.model.batches import pack, pad
from mpotrain.model.loading import load_policy
from mpotrain.objective.reference import Reference, ReferenceRequest, measure_reference


@dataclass(frozen=True, slots=True)
class PairGap:
    """One pair, measured."""

    pair_id: str
    language: str
    category: str
    per_token: float  # nats per token
    dpo: float | None  # None without a model to compare with


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """One language, over its pairs."""

    language: str
    per_token: Interval
    accuracy: float  # share of pairs whose chosen answer is likelier per token
    dpo: Interval | None


def reward_gaps(
    settings: ModelConfig,
    rows: Sequence[TrainingRow],
    *,
    base: ModelConfig | None = None,
    beta: float = 0.1,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[PairGap]:
    """The gaps of `rows` under the model of `settings`, against `base` where it is given; raises ModelError."""
    after = log_probs(settings, rows, journal=journal, progress=progress)
    before = None if base is None else log_probs(base, rows, journal=journal, progress=progress)
    return [_gap(row, after, before, beta) for row in rows]


def log_probs(
    settings: ModelConfig,
    rows: Sequence[TrainingRow],
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> Reference:
    """Log-probabilities of every answer of `rows`; what a reference pass measured before is not measured again."""
    policy = load_policy(settings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    policy.model.to(device)

    wanted = [ReferenceRequest(sequence) for row in rows for sequence in (row.chosen, row.rejected)]
    return measure_reference(
        policy.model,
        wanted,
        functools.partial(pack if policy.packs else pad, device=device),
        identity=policy.identity,
        journal=journal,
        progress=progress,
    )


def by_language(gaps: Sequence[PairGap]) -> list[LanguageGap]:
    """Averages with 95 % intervals, in order of first appearance."""
    return [
        _language(code, [g for g in gaps if g.language == code]) for code in dict.fromkeys(g.language for g in gaps)
    ]


def as_json(gaps: Sequence[PairGap]) -> dict[str, Any]:
    """Per language, as a machine reads it."""
    return {
        gap.language: {
            "per_token": _interval(gap.per_token),
            "accuracy": gap.accuracy,
            "dpo": None if gap.dpo is None else _interval(gap.dpo),
        }
        for gap in by_language(gaps)
    }


def _gap(row: TrainingRow, after: Reference, before: Reference | None, beta: float) -> PairGap:
    answers = (row.chosen, row.rejected)
    chosen, rejected = after.log_probs(answers, mean=True)
    dpo = None
    if before is not None:
        ratios = [
            now - then
            for now, then in zip(
                after.log_probs(answers, mean=False), before.log_probs(answers, mean=False), strict=True
            )
        ]
        dpo = beta * (ratios[0] - ratios[1])
    return PairGap(row.pair_id, row.language, row.category, chosen - rejected, dpo)


def _language(code: str, gaps: Sequence[PairGap]) -> LanguageGap:
    per_token = [gap.per_token for gap in gaps]
    dpo = [gap.dpo for gap in gaps if gap.dpo is not None]
    accuracy = sum(gap > 0 for gap in per_token) / len(per_token)
    return LanguageGap(code, bootstrap(per_token), accuracy, bootstrap(dpo) if dpo else None)


def _interval(interval: Interval) -> Mapping[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}
