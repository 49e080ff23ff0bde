"""Trained languages x evaluated languages: what training in some languages does for the others (RefusEU's matrix)."""

from collections.abc import Mapping, Sequence
from typing import Final

from mpodata.languages import languages
from mpodata.records import Kind
from mpotrain.evaluation.folder import Evaluation
from mpotrain.evaluation.metrics import RATES, Cell
from mpotrain.evaluation.report import words
from mpotrain.evaluation.report.comparison import (
    Comparison,
    ReportTable,
    View,
    benchmarks,
    cells,
    change_of,
    rate_view,
    short_title,
)
from mpotrain.evaluation.report.words import MAIN

TRAINED: Final = "●"  # marks a cell whose language the model was trained on


def transfer_tables(comparison: Comparison) -> list[ReportTable]:
    """One matrix for each benchmark and kind of prompt; none unless models were trained on different languages."""
    trained = [trained_languages(evaluation) for evaluation in comparison.shown]
    if len({frozenset(codes) for codes in trained if codes}) < 2:
        return []
    tables = []
    for benchmark in benchmarks(comparison):
        for kind in MAIN:
            rows = [cells(evaluation, benchmark["name"], kind) for evaluation in comparison.shown]
            if len({cell.language for mine in rows for cell in mine}) > 1:
                tables.append(_matrix(comparison, benchmark, kind, rows, trained))
    return tables


def trained_languages(evaluation: Evaluation) -> tuple[str, ...]:
    """The languages whose rows a model was trained on, as its run.json counts them; none where it was not trained."""
    data = (evaluation.results["run"] or {}).get("data")
    rows = data.get("rows") if isinstance(data, Mapping) else None
    return tuple(code for code in rows if rows[code] and code in languages()) if isinstance(rows, Mapping) else ()


def _matrix(
    comparison: Comparison,
    benchmark: Mapping[str, str],
    kind: Kind,
    rows: Sequence[list[Cell]],
    trained: Sequence[tuple[str, ...]],
) -> ReportTable:
    """Models down, evaluated languages across; a cell's tone is its paired change from the base model."""
    rate = RATES[MAIN[kind]]
    codes = list(dict.fromkeys(cell.language for mine in rows for cell in mine))
    body = []
    for index, (title, mine, own) in enumerate(zip(comparison.titles(), rows, trained, strict=True)):
        by_language = {cell.language: cell.rates[rate.name] for cell in mine}
        line = [View(title), View(", ".join(own) or "–")]
        for code in codes:
            shown = rate_view(by_language.get(code))
            change = change_of(comparison, index, benchmark["name"], kind, rate.name, code)
            mark = f" {TRAINED}" if code in own and by_language.get(code) else ""
            line.append(View(f"{shown.text}{mark}", shown.note, change.direction(rate.better) if change else ""))
        for among in (True, False):
            values = [value.value for code, value in by_language.items() if (code in own) is among and value.n]
            line.append(View(words.percent(sum(values) / len(values)) if own and values else "–"))
        body.append(line)
    return ReportTable(
        f"Trained and evaluated languages: {short_title(benchmark)}, {kind} prompts",
        ["Model", "Trained on", *codes, "Mean of these", "Mean of the others"],
        body,
        f"{rate.title}: {rate.meaning}; {rate.better} is better. {TRAINED} stands where the model was trained on the "
        "language; what is left shows what training in one language does for another. Better and worse: against the "
        "first model, on the same prompts.",
    )
