"""What a report shows of one or several evaluations: summary in words, tables, plots, classes.

Nothing is measured here. Runs are compared with the base run on the prompts that both answered.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpodata.languages import languages
from mpodata.records import Kind
from mpodata.refusals.measured import reliability, unmeasured_mark
from mpotrain.evaluation import folder
from mpotrain.evaluation.compare import ALPHA, TARGETS, Change, changes, find
from mpotrain.evaluation.folder import Evaluation, evaluation_folder, read_evaluation
from mpotrain.evaluation.judges import is_by_rules
from mpotrain.evaluation.metrics import RATES, Cell, rates_of
from mpotrain.evaluation.report import plots, words
from mpotrain.evaluation.report.words import MAIN, Statement, name_of
from mpotrain.evaluation.standing import Standing, standing
from mpotrain.evaluation.statistics import Interval, bootstrap, sign_flip
from mpotrain.evaluation.utility.harness import RATED, share


@dataclass(frozen=True, slots=True)
class View:
    """One field of a table."""

    text: str
    note: str = ""  # smaller, below
    tone: str = ""  # "better", "worse", "same"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table as every format shows it."""

    title: str
    head: list[str]
    rows: list[list[View]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """The classes of one run's answers in one language, as shares that sum to 1."""

    label: str
    run: str
    parts: list[tuple[str, float, int]]  # class, share, answers


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark and kind of prompt."""

    title: str
    kind: Kind
    note: str
    plot: str  # SVG
    main: ReportTable
    more: list[ReportTable]
    bars: list[Bar]

    @property
    def class_names(self) -> set[str]:
        """The classes that occur, for the legend."""
        return {name for bar in self.bars for name, _, _ in bar.parts}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared with what."""

    runs: list[Evaluation]
    base: Evaluation | None
    changes: list[list[Change]] = field(default_factory=list)  # of each run against the base
    standings: list[Standing] = field(default_factory=list)  # of each of `shown`

    @property
    def shown(self) -> list[Evaluation]:
        """The base, if any, and the runs: in the order of their colours."""
        return [*([self.base] if self.base else []), *self.runs]

    @property
    def dominant(self) -> str:
        return str(self.runs[0].results["dominant"])

    def titles(self) -> list[str]:
        """What each of `shown` is called; told apart where names repeat."""
        names = [evaluation.title for evaluation in self.shown]
        return [
            f"{name} [{evaluation.path.name}]" if names.count(name) > 1 else name
            for name, evaluation in zip(names, self.shown, strict=True)
        ]


def gather(paths: Sequence[Path], against: Path | None = None) -> Comparison:
    """Read evaluations, or the evaluations of training runs, and what they are compared with.

    That is `against`, else the base model's evaluation beside the first run that has one, else the first of several
    paths. Raises DataError for a folder without a finished evaluation.
    """
    found = [read_evaluation(evaluation_folder(path)) for path in paths]
    base = read_evaluation(evaluation_folder(against)) if against else None
    for evaluation in found:
        if base is None and evaluation.results.get("baseline"):
            base = read_evaluation(evaluation.path / evaluation.results["baseline"])
    if base is None and len(found) > 1:
        base, *found = found
    if base is None:
        return Comparison(found, None, standings=[standing(run.verdicts) for run in found])
    dominant = str(found[0].results["dominant"])
    moved = [changes(base.verdicts, run.verdicts, dominant) for run in found]
    return Comparison(found, base, moved, [standing(run.verdicts) for run in (base, *found)])


def sections(comparison: Comparison) -> list[Section]:
    """One per benchmark and kind of prompt, in the order of the first run."""
    parts = []
    for benchmark in benchmarks(comparison):
        for kind in MAIN:
            rows = [cells(evaluation, benchmark["name"], kind) for evaluation in comparison.shown]
            if any(rows):
                parts.append(_section(comparison, benchmark, kind, rows))
    return parts


def summary(comparison: Comparison) -> list[tuple[str, list[Statement]]]:
    """For each run its title and what is to be said of it, most important first."""
    titles = comparison.titles()[1:] if comparison.base else comparison.titles()
    short = {benchmark["name"]: short_title(benchmark) for benchmark in benchmarks(comparison)}
    told = []
    for index, run in enumerate(comparison.runs):
        rows = comparison.changes[index] if comparison.base else []
        statements = [words.safe_and_useful(comparison.standings[index + bool(comparison.base)])] + [
            statement
            for name, title in short.items()
            for kind in MAIN
            for statement in _statements(run, rows, name, kind, title)
        ]
        statements += _leading_language(comparison.base or run, comparison.dominant)
        if comparison.base:
            bad = words.worsened(rows, comparison.dominant, short)
            statements += [bad] if bad else []
            statements.append(words.dominant_language(rows, comparison.dominant, short))
        statements.append(words.provenance(run.results))
        told.append((titles[index], statements))
    return told


def utility_table(comparison: Comparison) -> ReportTable | None:
    """Scores of the utility tasks, with the change on the questions that both models were asked."""
    keys = dict.fromkeys(
        (row["task"], row["title"], row["language"]) for run in comparison.shown for row in run.results["utility"]
    )
    if not keys:
        return None
    scores = [_scores(evaluation) for evaluation in comparison.shown]
    head = ["Task", "Language"]
    for index, title in enumerate(comparison.titles()):
        head += [title] if index == 0 or not comparison.base else [title, "Change"]
    body = []
    for task, title, code in keys:
        line = [View(title), View(name_of(code))]
        for index, mine in enumerate(scores):
            score = mine.get((task, code), {})
            line.append(_score_view(task, list(score.values())))
            if index and comparison.base:
                line.append(_score_change(task, scores[0].get((task, code), {}), score))
        body.append(line)
    return ReportTable(
        "Utility",
        head,
        body,
        "Share of right answers; mean ratings of MT-Bench (1 to 10), fluency, correctness (1 to 5). Higher is better.",
    )


def interval(value: Mapping[str, Any]) -> Interval:
    """An interval read back from results.json, where nan is null."""
    numbers = {key: math.nan if value[key] is None else float(value[key]) for key in ("value", "low", "high")}
    method, undecided = str(value.get("method", "bootstrap")), value.get("undecided", 0)
    undecided = undecided if isinstance(undecided, int) else 0
    return Interval(numbers["value"], numbers["low"], numbers["high"], int(value["n"]), method, undecided)


def _leading_language(untrained: Evaluation, dominant: str) -> list[Statement]:
    gaps = (untrained.results.get("gaps") or {}).get("languages", {})
    measured = {code: interval(row["per_token"]) for code, row in gaps.items() if row.get("per_token")}
    told = words.leading_language(measured, dominant, untrained.title)
    return [told] if told else []


def _statements(run: Evaluation, rows: Sequence[Change], benchmark: str, kind: Kind, title: str) -> list[Statement]:
    rate = MAIN[kind]
    mine = cells(run, benchmark, kind)
    if not mine:
        return []
    targets = find(rows, benchmark=benchmark, rate=rate, language=TARGETS)
    one = find(rows, benchmark=benchmark, rate=rate) if not targets else []
    if targets or one:
        usable = find(rows, benchmark=benchmark, rate="usable", kind=kind, language=TARGETS if targets else None)
        told = [words.overall((targets or one)[0], title, usable[0] if usable else None)]
    else:
        told = [words.absolute(mine, rate, title)]
    worst = words.worst(mine, rate, title)
    return [*told, worst] if worst else told


def _section(comparison: Comparison, benchmark: Mapping[str, Any], kind: Kind, rows: Sequence[list[Cell]]) -> Section:
    titles = comparison.titles()
    name, rate = benchmark["name"], MAIN[kind]
    drawn = series(comparison, name, kind, lambda cell: cell.rates[rate])
    heading = f"{benchmark['title']}: {kind} prompts"
    return Section(
        title=heading,
        kind=kind,
        note=str(benchmark["note"]),
        plot=plots.forest(f"{RATES[rate].title}, {heading}", drawn),
        main=_rate_table(comparison, name, kind, rate, rows),
        more=[_rate_table(comparison, name, kind, other.name, rows) for other in rates_of(kind) if other.name != rate]
        + [_length_table(comparison, rows)],
        bars=[
            Bar(name_of(code), title, _parts(cell))
            for code in dict.fromkeys(cell.language for mine in rows for cell in mine)
            for title, mine in zip(titles, rows, strict=True)
            for cell in mine
            if cell.language == code
        ],
    )


def series(comparison: Comparison, benchmark: str, kind: Kind, of: Callable[[Cell], Interval]) -> list[plots.Series]:
    """What `of` says of every language's cell, for each model shown."""
    return [
        plots.Series(title, {name_of(c.language): of(c) for c in cells(evaluation, benchmark, kind) if of(c).n})
        for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True)
    ]


def _rate_table(
    comparison: Comparison, benchmark: str, kind: Kind, name: str, rows: Sequence[list[Cell]]
) -> ReportTable:
    """Languages down, models across; a change column beside each model that has something to be compared with."""
    rate = RATES[name]
    asked = [index for index, mine in enumerate(rows) if mine]  # a model that was not asked has no column
    titles = comparison.titles()
    head = ["Language"]
    for index in asked:
        head += [titles[index]] if index == 0 or not comparison.base else [titles[index], "Change"]
    codes = list(dict.fromkeys(cell.language for mine in rows for cell in mine))
    body = []
    for code in [*codes, *([TARGETS] if comparison.base and len(codes) > 1 else [])]:
        line = [language_view(comparison, code)]
        for index in asked:
            change = change_of(comparison, index, benchmark, kind, name, code)
            cell = next((cell for cell in rows[index] if cell.language == code), None)
            value = cell.rates.get(name) if cell else None  # an earlier release did not measure all
            if code == TARGETS:
                value = _target_value(comparison, index, benchmark, kind, name)
            line.append(rate_view(value))
            if index and comparison.base:
                line.append(change_view(change, rate.better))
        body.append(line)
    return ReportTable(rate.title, head, body, f"{rate.meaning}; {rate.better} is better")


def by_rules(comparison: Comparison) -> bool:
    """Did the phrase rules make the verdicts of one of the models shown?"""
    return any(is_by_rules(evaluation.main_judge) for evaluation in comparison.shown)


def language_view(comparison: Comparison, code: str) -> View:
    """A language's name and, where the phrase rules made the verdicts, how often they were right in it."""
    if code not in languages() or not by_rules(comparison):
        return View(name_of(code))
    if mark := unmeasured_mark(code):
        return View(name_of(code), mark, "worse")
    measured = reliability(code)
    right = measured.agreement if measured else None
    return View(name_of(code), f"rules right in {words.percent(right)}" if right is not None else "")


def _scores(evaluation: Evaluation) -> dict[tuple[str, str], dict[str, float]]:
    """(task, language) -> question -> score."""
    bars: dict[tuple[str, str], dict[str, float]] = {}
    for row in folder.read_lines(evaluation.path / folder.UTILITY, ("task", "language", "question"), ["score"]):
        bars.setdefault((row["task"], row["language"]), {})[row["question"]] = row["score"]
    return bars


def _score_view(task: str, scores: Sequence[float]) -> View:
    if not scores:
        return View("–")
    if task not in RATED:
        return rate_view(share(scores))
    rated = bootstrap(scores)
    return View(f"{rated.value:.2f}", f"{rated.low:.2f}–{rated.high:.2f}")


def _score_change(task: str, before: Mapping[str, float], after: Mapping[str, float]) -> View:
    """A paired permutation test on the questions that both were asked."""
    moved = [after[question] - before[question] for question in before if question in after]
    if not moved:
        return View("–")
    mean, p = sum(moved) / len(moved), sign_flip(moved)
    tone = "same" if p >= ALPHA or not mean else "better" if mean > 0 else "worse"
    mark = {"better": " ✓", "worse": " ✗", "same": ""}[tone]
    text = f"{mean:+.2f}" if task in RATED else f"{100 * mean:+.1f}"
    return View(text.replace("-", "−") + mark, words.p_value(p), tone)


def _length_table(comparison: Comparison, rows: Sequence[list[Cell]]) -> ReportTable:
    head = ["Language"]
    for title in comparison.titles():
        head += [f"{title}: characters", "repeated"]
    body = []
    for code in dict.fromkeys(cell.language for mine in rows for cell in mine):
        line = [View(name_of(code))]
        for mine in rows:
            cell = next((cell for cell in mine if cell.language == code), None)
            length, repeated = (cell.characters, cell.repetition) if cell else (None, None)
            line.append(
                View("–") if length is None else View(f"{length.value:.0f}", f"{length.low:.0f} to {length.high:.0f}")
            )
            line.append(View("–") if repeated is None else View(words.percent(repeated.value)))
        body.append(line)
    return ReportTable(
        "Length and repetition", head, body, "mean length of an answer; mean share of an answer that repeats itself"
    )


def rate_view(value: Interval | None) -> View:
    if value is None or not value.n:
        return View("–")
    return View(words.percent(value.value), f"{100 * value.low:.1f}–{100 * value.high:.1f}")


def change_view(change: Change | None, better: str) -> View:
    if change is None:
        return View("–")
    tone = change.direction(better)
    mark = {"better": " ✓", "worse": " ✗", "same": ""}[tone]
    return View(f"{words.points(change.change).removesuffix(' points')}{mark}", words.p_value(change.adjusted), tone)


def change_of(comparison: Comparison, index: int, benchmark: str, kind: Kind, rate: str, code: str) -> Change | None:
    """How a rate of the model at `index` of `shown` moved from the base model's; None for the base, or without one."""
    if not comparison.base or index == 0:
        return None
    rows = find(comparison.changes[index - 1], benchmark=benchmark, rate=rate, kind=kind, language=code)
    return rows[0] if rows else None


def _target_value(comparison: Comparison, index: int, benchmark: str, kind: Kind, rate: str) -> Interval | None:
    change = change_of(comparison, max(index, 1), benchmark, kind, rate, TARGETS)
    return None if change is None else change.after if index else change.before


def _parts(cell: Cell) -> list[tuple[str, float, int]]:
    return [(name, count / cell.answers, count) for name, count in cell.classes.items()]


def cells(evaluation: Evaluation, benchmark: str, kind: Kind) -> list[Cell]:
    rows = [row for row in evaluation.results["cells"] if (row["benchmark"], row["kind"]) == (benchmark, kind)]
    return [
        Cell(
            benchmark=benchmark,
            language=row["language"],
            kind=kind,
            answers=row["answers"],
            classes=row["classes"],
            rates={name: interval(value) for name, value in row["rates"].items()},
            characters=interval(row["characters"]),
            repetition=interval(row["repetition"]),
        )
        for row in rows
    ]


def benchmarks(comparison: Comparison) -> list[Mapping[str, Any]]:
    named = {b["name"]: b for evaluation in comparison.runs for b in evaluation.results["benchmarks"]}
    return list(named.values())


def short_title(benchmark: Mapping[str, Any]) -> str:
    """MultiJail, out of "MultiJail (Deng et al. 2024)"."""
    return str(benchmark["title"]).split(" (")[0].split(":")[0]
