"""A comparison of two translators as one self-contained HTML page and as a table for the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mpodata.about import __version__
from mpodata.audit.translators import Estimate, FarRow, LanguageComparison, TranslatorComparison
from mpodata.records import FIELDS

TEMPLATE: Final = Path(__file__).with_name("translators.html.j2")

# measure -> title, and the factor and unit that it is shown in
MEASURES: Final = {
    "round_trip_chrf": ("round-trip chrF", 1.0, ""),
    "chosen_is_refusal": ("chosen answers that refuse", 100.0, " points"),
    "rejected_is_refusal": ("rejected answers that refuse", 100.0, " points"),
    "prompt_quality_estimation": ("estimated quality, prompt", 1.0, ""),
    "chosen_quality_estimation": ("estimated quality, chosen", 1.0, ""),
    "rejected_quality_estimation": ("estimated quality, rejected", 1.0, ""),
}


def render(comparison: TranslatorComparison, *, reveal: bool = False) -> str:
    """The page. Without `reveal` it holds figures and row ids, and no text of the data."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE.name).render(
        comparison=comparison,
        fields=FIELDS,
        version=__version__,
        summary=summary(comparison),
        reveal=reveal,
        rows=[_row(each) for each in comparison.languages],
        differences=[(each.name, _differences(each)) for each in comparison.languages if each.differences],
        farthest=[(each.name, [_far(row, reveal) for row in each.farthest]) for each in comparison.languages],
    )


def summary(comparison: TranslatorComparison) -> str:
    """In a sentence: where the two differ most."""
    worst = comparison.languages[0]
    name = min(FIELDS, key=lambda each: worst.agreement[each].mean)
    return (
        f"{comparison.first} and {comparison.second} differ most in {worst.name}: chrF {worst.overall:.0f} on average, "
        f"lowest for {name}: {_interval(worst.agreement[name])}."
    )


def table(comparison: TranslatorComparison) -> Iterator[str]:
    """Lines for the terminal."""
    yield summary(comparison)
    yield f"{'language':12}{'rows':>6}" + "".join(f"{name + ', chrF':>24}" for name in FIELDS)
    for each in comparison.languages:
        cells = "".join(f"{_interval(each.agreement[name]):>24}" for name in FIELDS)
        yield f"{each.language:12}{each.rows[0]:>6}{cells}"
    yield f"{comparison.second} minus {comparison.first}:"
    for each in comparison.languages:
        for title, told, _ in _differences(each):
            yield f"  {each.language:10}{title:34}{told}"
    if comparison.missing:
        yield f"Not in both, or without a common row: {', '.join(comparison.missing)}."


def _interval(value: Estimate, factor: float = 1.0, digits: int = 1) -> str:
    return f"{factor * value.mean:.{digits}f} ({factor * value.low:.{digits}f} to {factor * value.high:.{digits}f})"


def _row(each: LanguageComparison) -> dict[str, Any]:
    return {
        "language": each.language,
        "name": each.name,
        "rows": each.rows,
        "cells": [
            {"told": _interval(each.agreement[name]), "estimate": each.agreement[name], "equal": each.equal[name]}
            for name in FIELDS
        ],
    }


def _differences(each: LanguageComparison) -> list[tuple[str, str, bool]]:
    """(measure, difference in words, is zero outside its interval?)."""
    told = []
    for name, value in each.differences.items():
        title, factor, unit = MEASURES[name]
        digits = 3 if "estimation" in name else 1
        sure = value.low > 0 or value.high < 0
        told.append((title, f"{_interval(value, factor, digits)}{unit} over {value.rows} rows", sure))
    return told


def _far(row: FarRow, reveal: bool) -> dict[str, Any]:
    texts = [(getattr(row.first, row.field), getattr(row.second, row.field))] if reveal else []
    return {"pair_id": row.pair_id, "split": row.split, "field": row.field, "chrf": row.chrf, "texts": texts}
