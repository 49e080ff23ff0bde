"""A comparison as report.html, report.md and report.json: three views of the same content."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2

import mpodata
from mpodata.runtime.whole_files import write_text
from mpotrain.evaluation import folder
from mpotrain.evaluation.metrics import RATES, as_json
from mpotrain.evaluation.outcomes import CLASSES
from mpotrain.evaluation.report import words
from mpotrain.evaluation.report.beside import tables_beside
from mpotrain.evaluation.report.comparison import (
    Comparison,
    ReportTable,
    View,
    sections,
    summary,
    utility_table,
)
from mpotrain.evaluation.report.examples import examples
from mpotrain.evaluation.report.figures import gap_against_rate, measured_pairs, reward_gaps, state_clouds, tradeoff
from mpotrain.evaluation.report.overview import corrected_tables, price_tables, reliability_table, standing_table
from mpotrain.evaluation.report.transfer import transfer_tables

TEMPLATES = Path(__file__).with_name("templates")


def pages(out: Path) -> tuple[Path, Path, Path]:
    """The page, and its Markdown and JSON twins, that are written for `out`."""
    return out.with_suffix(".html"), out.with_suffix(".md"), out.with_suffix(".json")


def write_report(comparison: Comparison, out: Path, *, published: Sequence[str] = (), texts: int = 0) -> list[Path]:
    """Write `out` (HTML) and its Markdown and JSON twins beside it; returns their paths.

    published: names of published tables to show beside, or `beside.AUTO`. texts: how many answers of each class and
    language to show in the HTML page, folded away; they may be harmful, so none by default.
    """
    content = page(comparison, published) | {"texts": examples(comparison, texts) if texts else []}
    html, markdown, data = pages(out)
    write_text(html, _environment(autoescape=True).get_template("report.html.j2").render(content))
    write_text(markdown, _environment(autoescape=False).get_template("report.md.j2").render(content))
    folder.write_json(data, report_json(comparison, content))
    return [html, markdown, data]


def page(comparison: Comparison, published: Sequence[str] = ()) -> dict[str, Any]:
    """Everything the templates show."""
    told = summary(comparison)
    return {
        "title": " · ".join(title for title, _ in told),
        "titles": comparison.titles(),
        "base": comparison.titles()[0] if comparison.base else None,
        "summary": told,
        "notes": _distinct(b["note"] for run in comparison.runs for b in run.results["benchmarks"] if b["note"]),
        "standing": standing_table(comparison),
        "sections": sections(comparison),
        "figures": _figures(comparison),
        "clouds": state_clouds(comparison),
        "pairs": measured_pairs(comparison),
        "tables": [
            *corrected_tables(comparison),
            *transfer_tables(comparison),
            *price_tables(comparison),
            *([utility] if (utility := utility_table(comparison)) else []),
            *_correlations(comparison),
            *tables_beside(comparison, published),
        ],
        "agreement_table": _agreement(comparison),
        "reliability": reliability_table(comparison),
        "classes": CLASSES,
        "rates": RATES,
        "runs": _runs(comparison),
        "benchmarks": _distinct_by(
            [b for evaluation in comparison.shown for b in evaluation.results["benchmarks"]], "name"
        ),
        "warnings": _distinct(w for evaluation in comparison.shown for w in evaluation.results["warnings"]),
        "significance": words.significance_note(),
        "version": mpodata.__version__,
    }


def report_json(comparison: Comparison, content: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of the page: each model's results, and every change with its interval and p-value."""
    names = comparison.titles()
    return {
        "schema": 1,
        "summary": [{"run": title, "statements": [asdict(s) for s in told]} for title, told in content["summary"]],
        "base": content["base"],
        "models": [
            {"title": title, "results": dict(evaluation.results)}
            for title, evaluation in zip(names, comparison.shown, strict=True)
        ],
        "changes": [
            {"run": title, **as_json(change)}
            for title, rows in zip(names[1:] if comparison.base else [], comparison.changes, strict=True)
            for change in rows
        ],
    }


def _figures(comparison: Comparison) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(heading, what it shows, panels) of each kind of plot there is something to draw for."""
    made = [
        (
            "Reward gap",
            f"How much likelier the model finds the safe answers of {measured_pairs(comparison)} than the unsafe "
            "ones. MPO pulls every language's gap towards the dominant one's; a gap near 0 is a model that cannot tell "
            "them apart.",
            reward_gaps(comparison),
        ),
        (
            "Safety against helpfulness",
            "Up and to the right is better. Each language is a line from the first model to the others.",
            tradeoff(comparison),
        ),
    ]
    return [figure for figure in made if figure[2]]


def _correlations(comparison: Comparison) -> list[ReportTable]:
    rows = [
        [
            View(row.run),
            View(row.benchmark),
            View(str(row.languages)),
            View(f"{row.spearman:.2f}"),
            View(f"{row.pearson:.2f}"),
            View(words.p_value(row.p)),
        ]
        for row in gap_against_rate(comparison)
    ]
    head = ["Model", "Benchmark", "Languages", "Spearman", "Pearson", "p"]
    caption = (
        "The MPO paper's Table 1 claims that languages with a larger reward gap have lower attack success, which is a "
        "negative correlation; here for these models. With a handful of languages only a near-perfect order can be "
        "significant."
    )
    return [ReportTable("Reward gap and attack success across languages", head, rows, caption)] if rows else []


def _agreement(comparison: Comparison) -> ReportTable | None:
    rows = []
    for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True):
        for row in evaluation.results["agreement"]:
            worst = next(iter(row["disagreements"].items()), None)
            by_language = ", ".join(
                f"{words.name_of(code)} {'–' if value is None else f'{value:.2f}'}"
                for code, value in row["languages"].items()
            )
            rows.append(
                [
                    View(title),
                    View(f"{row['first']} and {row['second']}"),
                    View(str(row["answers"])),
                    View(words.percent(row["share"]) if row["share"] is not None else "–"),
                    View("–" if row["kappa"] is None else f"{row['kappa']:.2f}", by_language),
                    View(f"{worst[0]}: {worst[1]}" if worst else "none"),
                ]
            )
    head = ["Model", "Judges", "Answers", "Same class", "Cohen's kappa", "Most frequent difference"]
    caption = (
        "Cohen's kappa is agreement beyond chance: 0 is chance, 1 is perfect. Where it is below 0.6 the choice of the "
        "judge decides the result."
    )
    return ReportTable("Agreement of the judges", head, rows, caption) if rows else None


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    """How each model shown was made and asked."""
    return [
        {"title": title, **_training(evaluation.results["run"] or {})}
        | {name: evaluation.results[name] for name in ("signature", "model", "command", "judges")}
        for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True)
    ]


def _training(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run.json says of how a model was trained; it may say less, as other programs' do."""
    data, hyper = run.get("data"), run.get("hyper_parameters")
    told = data if isinstance(data, Mapping) and data.get("reference") else None
    return {
        "data": told and {name: told.get(name) for name in ("reference", "version", "commit")},
        "method": run.get("method"),
        "hyper": hyper if isinstance(hyper, Mapping) else {},
    }


def _environment(*, autoescape: bool) -> jinja2.Environment:
    """Strict about holes: a name the page lacks is an error, not an empty place."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _distinct(texts: Any) -> list[str]:
    return list(dict.fromkeys(texts))


def _distinct_by(rows: Sequence[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    return list({row[key]: row for row in rows}.values())
