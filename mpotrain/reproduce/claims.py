"""Does what the paper claims hold in our figures? An order of rows, or a correlation across languages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mpotrain.evaluation.metrics import RATES, by_prompt
from mpotrain.evaluation.report.beside import mean
from mpotrain.evaluation.statistics import change_over_languages, correlation_test, spearman
from mpotrain.reproduce.figures import Measures, evaluation_of
from mpotrain.reproduce.plan import Plan
from mpotrain.reproduce.spec import Part

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "not measured"
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim and what our figures say of it."""

    claim: str
    verdict: str  # HOLDS, FAILS or UNKNOWN
    detail: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.verdict}" + (f". {self.detail}" if self.detail else "")


def verdicts(plan: Plan, figures: Measures) -> list[Verdict]:
    """One per claim of the table."""
    return [
        _correlation(claim, figures) if "correlation" in claim else _order(claim, plan, figures)
        for claim in plan.table.claims
    ]


def _order(claim: Mapping[str, Any], plan: Plan, figures: Measures) -> Verdict:
    """Rows from the lowest average to the highest; each step with its difference on the same prompts."""
    key, rows = str(claim["part"]), list(map(str, claim["order"]))
    part = plan.table.parts.get(key)
    told = f"{' < '.join(rows)} on {part.title if part else key} (average)"
    measured = {row: own for row in rows if (own := figures.get((row, key)))}
    values = {row: average for row, own in measured.items() if (average := mean(own)) is not None}
    if part is None or len(values) < len(rows):
        lacking = [row for row in rows if row not in values]
        return Verdict(told, UNKNOWN, f"Without figures: {', '.join(lacking)}." if part else "")
    ordered = all(values[low] < values[high] for low, high in pairwise(rows))
    steps = [_step(plan, part, low, high, values) for low, high in pairwise(rows)]
    figures_told = ", ".join(f"{row} {values[row]:.2f}" for row in rows)
    return Verdict(told, HOLDS if ordered else FAILS, f"{figures_told}. {' '.join(steps)}")


def _step(plan: Plan, part: Part, low: str, high: str, values: Mapping[str, float]) -> str:
    """How far apart two rows are, and whether that is more than chance, where both answered the same prompts."""
    first, second = evaluation_of(plan, low, part), evaluation_of(plan, high, part)
    if first is None or second is None:
        return f"{high} - {low}: {values[high] - values[low]:+.2f}, not tested."
    rate, benchmark = RATES[part.rate], str(part.benchmark)
    before, after = (by_prompt(one.verdicts, rate, benchmark, part.kind) for one in (first, second))  # type: ignore[arg-type]
    change, p = change_over_languages(before, after)
    sure = "" if p < ALPHA else ": chance alone may do this"
    return (
        f"{high} - {low}: {part.scale * change.value:+.2f} ({part.scale * change.low:+.2f} to "
        f"{part.scale * change.high:+.2f}), p = {p:.3f}{sure}."
    )


def _correlation(claim: Mapping[str, Any], figures: Measures) -> Verdict:
    """Spearman's correlation of two parts over the languages that both have."""
    keys, row = list(map(str, claim["correlation"])), str(claim["row"])
    first, second = (figures.get((row, key)) for key in keys)
    told = str(claim["says"])
    if first is None or second is None:
        return Verdict(told, UNKNOWN, "")
    codes = [code for code in first.columns if code in second.columns]
    x, y = ([side.columns[code].value for code in codes] for side in (first, second))
    correlation = spearman(x, y)
    if math.isnan(correlation):
        return Verdict(told, UNKNOWN, f"{len(codes)} languages, or figures that are all the same, have no correlation.")
    p = correlation_test(x, y)
    holds = correlation < 0 if claim["sign"] == "negative" else correlation > 0
    sure = "" if p < ALPHA else ": chance alone may do this"
    return Verdict(
        told, HOLDS if holds else FAILS,
        f"Spearman's correlation over {len(codes)} languages is {correlation:.2f}, p = {p:.3f}{sure}.",
    )  # fmt: skip
