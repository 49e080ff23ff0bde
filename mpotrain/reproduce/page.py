"""A reproduced table as Markdown and JSON: our figures with intervals beside the published ones, and the claims."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mpodata.languages import language
from mpodata.runtime.whole_files import write_text
from mpotrain.config import preset_file
from mpotrain.evaluation.published import PublishedPart
from mpotrain.evaluation.report.beside import own_row, published_row
from mpotrain.evaluation.report.comparison import View
from mpotrain.reproduce.claims import Verdict, verdicts
from mpotrain.reproduce.figures import Measures, measures
from mpotrain.reproduce.plan import Plan
from mpotrain.reproduce.spec import Part, Table
from mpotrain.reproduce.steps import failures_of
from mpotrain.runs import write_json


def write_page(plan: Plan, failed: Mapping[Path, str]) -> tuple[str, list[Verdict]]:
    """Write page.md and page.json into the table's folder; returns the Markdown and what became of the claims."""
    figures = measures(plan)
    held = verdicts(plan, figures)
    text = "\n".join(_lines(plan, figures, held, failures_of(plan, failed)))
    write_text(plan.folder / "page.md", text)
    write_json(plan.folder / "page.json", _record(plan, figures, held, failures_of(plan, failed)))
    return text, held


def settings_page(table: Table) -> str:
    """A table of hyper-parameters: what the paper printed beside what our presets and search space hold."""
    assert table.published is not None
    lines = [f"# {table.label}: {table.title}", "", table.published.source, ""]
    lines += ["| | setting | published | here |", "|---|---|---|---|"]
    for name, printed in table.published.settings.items():
        ours = preset_file("search")["search"][name] if table.settings == "search" else _preset(name)
        lines += [f"| {name} | {key} | {value} | {ours.get(key, '–')} |" for key, value in printed.items()]
    return "\n".join([*lines, "", *table.published.footnotes(), *table.notes, ""])


def _preset(name: str) -> dict[str, Any]:
    content = preset_file(name)
    return {**content, **content["methods"]["mpo"]}


def _lines(
    plan: Plan, figures: Measures, held: Sequence[Verdict], broken: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    table = plan.table
    yield f"# {table.label}: {table.title}"
    yield ""
    yield f"Model: {plan.model}. " + (f"Published: {table.published.source}." if table.published else "")
    yield ""
    for key, part in table.parts.items():
        if key not in plan.left_out:
            yield from _part_lines(plan, part, figures)
    if held:
        yield "## Claims"
        yield ""
        yield from (f"- {verdict}" for verdict in held)
        yield ""
    unmeasured = [f"{name}: {why}." for name, why in plan.left_out.items()]
    unmeasured += [f"{row}, {key}: {why}." for (row, key), why in broken.items()]
    if unmeasured:
        yield "## Not measured"
        yield ""
        yield from (f"- {sentence}" for sentence in unmeasured)
        yield ""
    footnotes = [*table.notes, *(table.published.footnotes() if table.published else ())]
    if footnotes:
        yield "## Notes"
        yield ""
        yield from (f"- {note}" for note in footnotes)
        yield ""
    yield "## Commands"
    yield ""
    yield "```"
    yield from (shlex.join(step.command) for step in plan.steps)
    yield "```"
    yield ""


def _part_lines(plan: Plan, part: Part, figures: Measures) -> Iterator[str]:
    told = plan.table.published.parts.get(part.key) if plan.table.published else None
    columns = _columns(part, told, plan, figures)
    yield f"## {part.title}, {part.unit}"
    yield ""
    if part.stand_in:
        yield f"Stands in for it here: {part.stand_in}. The published figures are of the real thing."
        yield ""
    yield f"| | | {' | '.join(map(column_name, columns))} | Average |"
    yield "|---" * (len(columns) + 3) + "|"
    for row in dict.fromkeys([*(told.names() if told else ()), *plan.table.runs]):
        if told is not None and row in told.names():
            yield _line(published_row(told, row, columns))
        if mine := figures.get((row, part.key)):
            yield _line(own_row(row, mine, columns))
    yield ""


def _columns(part: Part, told: PublishedPart | None, plan: Plan, figures: Measures) -> list[str]:
    """The paper's languages, then those measured beside them."""
    measured = [code for row in plan.table.runs for code in getattr(figures.get((row, part.key)), "columns", {})]
    return list(dict.fromkeys([*(told.columns if told else ()), *part.columns, *measured]))


def column_name(code: str) -> str:
    """English, out of "en"; code-switched prompts have no language of their own."""
    return "Mixed" if code == "mul" else language(code).name


def _line(views: Sequence[View]) -> str:
    name, *cells = views
    shown = [f"{view.text} ({view.note})" if view.note else view.text for view in cells]
    return f"| {name.text} | {name.note} | {' | '.join(shown)} |"


def _record(
    plan: Plan, figures: Measures, held: Sequence[Verdict], broken: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "table": plan.table.label,
        "model": plan.model,
        "figures": [
            {
                "row": row,
                "part": key,
                "columns": {
                    code: {"value": _number(v.value), "low": _number(v.low), "high": _number(v.high), "n": v.n}
                    for code, v in measure.columns.items()
                },
            }
            for (row, key), measure in figures.items()
        ],
        "claims": [asdict(verdict) for verdict in held],
        "not_measured": {**plan.left_out, **{f"{row}, {key}": why for (row, key), why in broken.items()}},
        "commands": [shlex.join(step.command) for step in plan.steps],
    }


def _number(value: float) -> float | None:
    return None if value != value else value
