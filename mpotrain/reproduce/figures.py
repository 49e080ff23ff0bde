"""What the steps measured, read back: one measure per row and part of a table."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpotrain.evaluation.folder import Evaluation, read_evaluation
from mpotrain.evaluation.report.beside import Measure, measure_of, scaled
from mpotrain.evaluation.report.comparison import interval
from mpotrain.evaluation.statistics import Interval
from mpotrain.reproduce.plan import Plan
from mpotrain.reproduce.spec import Part
from mpotrain.runs import read_json

Measures = Mapping[tuple[str, str], Measure]  # (row, part) -> figures


def measures(plan: Plan) -> dict[tuple[str, str], Measure]:
    """Every cell whose file is there."""
    read: dict[tuple[str, str], Measure] = {}
    for (row, key), file in plan.measured.items():
        if file.is_file():
            read[row, key] = _measure(plan, row, plan.table.parts[key], file)
    return read


def evaluation_of(plan: Plan, row: str, part: Part) -> Evaluation | None:
    """The evaluation behind a cell, for paired tests; None where it is none."""
    file = plan.measured.get((row, part.key))
    return read_evaluation(file.parent) if file is not None and file.is_file() and part.benchmark else None


def _measure(plan: Plan, row: str, part: Part, file: Path) -> Measure:
    if part.gap:
        languages: Mapping[str, Any] = read_json(file)["languages"]
        gaps = {code: gap[part.gap] for code, gap in languages.items() if gap[part.gap] is not None}
        return Measure({code: scaled(interval(gap), part.scale) for code, gap in gaps.items()})
    if part.states:
        separations = read_json(file)["models"][plan.models[row]]
        return Measure(
            {code: _point(told["separation_all_dimensions"], told["pairs"]) for code, told in separations.items()}
        )
    return measure_of(read_evaluation(file.parent), str(part.utility or part.benchmark), part.kind, part.rate)


def _point(value: float, n: int) -> Interval:
    """A figure without an interval."""
    return Interval(value, math.nan, math.nan, n, "none")
