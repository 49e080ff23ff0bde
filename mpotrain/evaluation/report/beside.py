"""One's own figures beside those that a paper printed, with the errata as footnotes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mpodata.errors import ConfigError
from mpotrain.evaluation.folder import Evaluation
from mpotrain.evaluation.published import PublishedPart, PublishedTable, published
from mpotrain.evaluation.report.comparison import Comparison, ReportTable, View, interval
from mpotrain.evaluation.report.words import name_of
from mpotrain.evaluation.statistics import Interval

AUTO = "auto"
MAIN_TABLES = ("mpo-table-2", "mpo-table-10", "mpo-table-11", "mpo-table-12")  # a benchmark's first table each


@dataclass(frozen=True, slots=True)
class Measure:
    """One evaluation's figures for one part of a table, in the table's unit."""

    columns: Mapping[str, Interval]  # language -> figure
    average: Interval | None = None  # over these languages, from resampling prompts


def tables_beside(comparison: Comparison, names: Sequence[str]) -> list[ReportTable]:
    """A table per part of the published tables called `names` (AUTO: those of the benchmarks that were asked).

    Raises UnknownName for a table, ConfigError where AUTO finds none.
    """
    if list(names) == [AUTO]:
        tables = [table for table in map(published, MAIN_TABLES) if _measured_parts(comparison, table)]
        if not tables:
            raise ConfigError(
                "--published: no paper printed figures of the benchmarks in these evaluations. Name a table to see it "
                "all the same, for example --published mpo-table-2."
            )
    else:
        tables = [published(name) for name in names]
    return [
        _table(comparison, table, key)
        for table in tables
        for key in table.parts
        if list(names) != [AUTO] or key in _measured_parts(comparison, table)
    ]


def measure_of(evaluation: Evaluation, key: str, kind: str = "harmful", rate: str = "asr") -> Measure:
    """What an evaluation says of benchmark or utility task `key`; no columns where it was not asked."""
    if any(row["task"] == key for row in evaluation.results["utility"]):
        scale = 1.0 if key == "mt-bench" else 100.0
        return Measure(
            {
                row["language"]: scaled(interval(row["interval"]), scale)
                for row in evaluation.results["utility"]
                if row["task"] == key
            }
        )
    columns = {
        cell["language"]: scaled(interval(cell["rates"][rate]), 100.0)
        for cell in evaluation.results["cells"]
        if (cell["benchmark"], cell["kind"]) == (key, kind) and rate in cell["rates"]
    }
    averages = [
        interval(row["interval"])
        for row in evaluation.results["averages"]
        if (row["benchmark"], row["kind"], row["rate"]) == (key, kind, rate) and set(row["languages"]) == set(columns)
    ]
    return Measure(columns, scaled(averages[0], 100.0) if averages else None)


def scaled(value: Interval, scale: float) -> Interval:
    """The interval in another unit."""
    return Interval(value.value * scale, value.low * scale, value.high * scale, value.n, value.method, value.undecided)


def mean(measure: Measure, columns: Sequence[str] | None = None) -> float | None:
    """The average over the languages in `columns` (all by default) that were measured; None where none was."""
    wanted = measure.columns if columns is None else columns
    values = [measure.columns[code].value for code in wanted if code in measure.columns]
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else None


def figure(value: Interval | None) -> View:
    """A figure with its 95 % interval below."""
    if value is None or value.value != value.value:
        return View("–")
    return View(f"{value.value:.2f}", "" if value.low != value.low else f"{value.low:.2f} to {value.high:.2f}")


def _measured_parts(comparison: Comparison, table: PublishedTable) -> list[str]:
    return [key for key in table.parts if any(measure_of(run, key).columns for run in comparison.shown)]


def _table(comparison: Comparison, table: PublishedTable, key: str) -> ReportTable:
    part = table.parts[key]
    measures = [(title, measure_of(run, key)) for title, run in zip(comparison.titles(), comparison.shown, strict=True)]
    columns = part.columns or tuple(dict.fromkeys(code for _, mine in measures for code in mine.columns))
    rows = [published_row(part, name, columns) for name in part.names()]
    rows += [own_row(title, mine, columns) for title, mine in measures if mine.columns]
    own = "" if any(mine.columns for _, mine in measures) else " None of these evaluations asked it."
    return ReportTable(
        f"{part.title}, {part.unit}: published and here",
        ["Model", *map(name_of, columns), "Average"],
        rows,
        f"{table.source}, {table.model}.{own} Another judge or model makes differences of a few points mean nothing. "
        + " ".join(table.footnotes()),
    )


def published_row(part: PublishedPart, name: str, columns: Sequence[str]) -> list[View]:
    """A row as printed; the average is that of the printed row where there is one."""
    values = dict(zip(part.columns, part.rows.get(name, ()), strict=False))
    average = part.average(name)
    return [
        View(name, "published"),
        *(View(f"{values[code]:.2f}" if code in values else "–") for code in columns),
        View("–" if average is None else f"{average:.2f}"),
    ]


def own_row(title: str, mine: Measure, columns: Sequence[str]) -> list[View]:
    """A row of one's own, every figure with its interval."""
    own = mean(mine, columns)
    whole = mine.average if mine.average and set(mine.columns) <= set(columns) else None
    average = figure(whole) if whole else View("–" if own is None else f"{own:.2f}")
    return [View(title, "here"), *(figure(mine.columns.get(code)) for code in columns), average]
