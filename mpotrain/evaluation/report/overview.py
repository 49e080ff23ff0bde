"""The page's tables about models and judges: who is safe and useful, what alignment cost, what the judge gets wrong."""

import math

from mpodata.refusals.measured import reliability
from mpotrain.evaluation.calibration.estimate import Confusion, corrected
from mpotrain.evaluation.calibration.labels import judged, load_calibration
from mpotrain.evaluation.compare import find
from mpotrain.evaluation.folder import Evaluation
from mpotrain.evaluation.metrics import RATES
from mpotrain.evaluation.report import words
from mpotrain.evaluation.report.comparison import (
    Comparison,
    ReportTable,
    View,
    benchmarks,
    by_rules,
    cells,
    change_view,
    language_view,
    rate_view,
    short_title,
)
from mpotrain.evaluation.report.words import name_of
from mpotrain.evaluation.statistics import wilson

PRICE = ("helpful", "consistency", "coherent")  # what alignment may cost on harmless prompts


def standing_table(comparison: Comparison) -> ReportTable:
    """The models shown, best first, by what a mute or an always-refusing one cannot win."""
    measured = list(zip(comparison.standings, comparison.titles(), strict=True))
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
                line = [language_view(comparison, code)]
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


def corrected_tables(comparison: Comparison) -> list[ReportTable]:
    """Rates corrected for the judge's errors, where a person has labelled answers of one of the models shown."""
    known = [(evaluation, load_calibration(evaluation.path)) for evaluation in comparison.shown]
    tables = []
    for labelled, calibration in known:
        if calibration is None:
            continue
        same = [
            (title, evaluation)
            for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True)
            if evaluation.main_judge == calibration.judge
        ]
        for rate, by_language in calibration.confusions.items():
            rows = [
                [
                    View(name_of(code)),
                    View(words.percent(counts.sensitivity()), f"{counts.labelled} labels"),
                    View(words.percent(counts.specificity())),
                    *(
                        view
                        for _, evaluation in same
                        for view in _raw_and_corrected(evaluation, labelled, rate, code, counts)
                    ),
                ]
                for code, counts in by_language.items()
            ]
            head = ["Language", "Sensitivity", "Specificity"]
            head += [text for title, _ in same for text in (f"{title}: judged", "corrected")]
            title = f"{RATES[rate].title}, corrected for the errors of {calibration.judge}"
            caption = (
                f"A person labelled {calibration.labelled} answers of {labelled.title}. Corrected rates: Rogan and "
                "Gladen's estimator with 95 % intervals that know how few labels there are; for other models it is "
                "assumed that the judge errs on their answers as on these."
            )
            tables.append(ReportTable(title, head, rows, caption))
    return tables


def _raw_and_corrected(
    evaluation: Evaluation, labelled: Evaluation, rate: str, code: str, counts: Confusion
) -> tuple[View, View]:
    kind = RATES[rate].kind
    hits = [
        judged(outcome)
        for outcome in evaluation.verdicts
        if outcome.answered and (outcome.kind, outcome.language) == (kind, code)
    ]
    if not hits:
        return View("–"), View("–")
    own = evaluation is labelled
    right = corrected(counts) if own else corrected(counts, sum(hits), len(hits))
    return rate_view(wilson(sum(hits), len(hits))), rate_view(right)


def reliability_table(comparison: Comparison) -> ReportTable | None:
    """How far the phrase rules were measured to be right in the languages shown, where they made the verdicts."""
    if not by_rules(comparison):
        return None
    codes = dict.fromkeys(outcome.language for run in comparison.shown for outcome in run.verdicts)
    if not codes:  # utility alone
        return None
    rows = []
    for code in codes:
        measured = reliability(code)
        shares = (measured.agreement, measured.precision, measured.recall) if measured else (None, None, None)
        note = (measured.warning or f"{measured.rows} answers: {measured.data}") if measured else "not measured"
        rows.append(
            [
                View(name_of(code)),
                *(View(words.percent(share)) if share is not None else View("–") for share in shares),
                View(note, tone="worse" if not measured or measured.warning else ""),
            ]
        )
    head = ["Language", "Agreement", "Precision", "Recall", "Measured on"]
    caption = (
        "The rules against labels they were not fitted on; precision and recall of the class “refusal”. On other "
        "models' answers they may be worse: `mpotrain calibrate` measures that."
    )
    return ReportTable("How far the refusal rules can be trusted", head, rows, caption)
