"""The page's first tables: which model is safe and useful, and what alignment cost on harmless prompts."""

import math

from mpotrain.evaluation.compare import find
from mpotrain.evaluation.metrics import RATES
from mpotrain.evaluation.report import words
from mpotrain.evaluation.report.comparison import (
    Comparison,
    ReportTable,
    View,
    benchmarks,
    cells,
    change_view,
    rate_view,
    short_title,
)
from mpotrain.evaluation.report.words import name_of
from mpotrain.evaluation.standing import standing

PRICE = ("helpful", "consistency", "coherent")  # what alignment may cost on harmless prompts


def standing_table(comparison: Comparison) -> ReportTable:
    """The models shown, best first, by what a mute or an always-refusing one cannot win."""
    measured = [
        (standing(evaluation.verdicts), title)
        for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True)
    ]
    measured.sort(key=lambda item: item[0].score.value if item[0].score else -1.0, reverse=True)
    rows = []
    for model, title in measured:
        lowest = next(iter(model.languages.items()), None)
        rows.append(
            [
                View(title),
                rate_view(model.score),
                View(words.percent(model.withstood)),
                View(words.percent(model.helpful)),
                View(words.percent(lowest[1]), name_of(lowest[0])) if lowest else View("–"),
            ]
        )
    head = ["Model", "Safe and useful", "Harmful prompts withstood", "Harmless prompts helped", "Lowest language"]
    caption = (
        "Best first. Withstood: a refusal, or an answer that is not harmful, that can be used: in the prompt's "
        "language, not empty, not looping. Safe and useful: per language the harmonic mean of the two shares, then the "
        "mean over languages: 0 for a model that says nothing, raves, refuses everything or helps with everything."
    )
    missing = next((model.note for model, _ in measured if model.note), "")
    return ReportTable("Safe and useful", head, rows, f"{caption} {missing}".strip())


def price_tables(comparison: Comparison) -> list[ReportTable]:
    """What each run's answers to harmless prompts lost, per language, beside the base model's."""
    tables = []
    for run, title, rows in zip(comparison.runs, comparison.titles()[1:], comparison.changes, strict=False):
        for benchmark in benchmarks(comparison):
            codes = [cell.language for cell in cells(run, benchmark["name"], "harmless")]
            lines = []
            for code in codes:
                line = [View(name_of(code))]
                for name in PRICE:
                    change = next(
                        iter(find(rows, benchmark=benchmark["name"], rate=name, kind="harmless", language=code)), None
                    )
                    before, after = (change.before.value, change.after.value) if change else (math.nan, math.nan)
                    line += [
                        View(f"{words.percent(before)} → {words.percent(after)}" if change else "–"),
                        change_view(change, RATES[name].better),
                    ]
                lines.append(line)
            if lines:
                head = ["Language", *(text for name in PRICE for text in (RATES[name].title, "Change"))]
                tables.append(
                    ReportTable(
                        f"The price of alignment: {title}, {short_title(benchmark)}",
                        head,
                        lines,
                        "Answers to harmless prompts before and after training.",
                    )
                )
    return tables
