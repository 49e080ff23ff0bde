"""An audit as one self-contained HTML page and as a table for the terminal; texts only when asked for."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mpodata.about import __version__
from mpodata.audit.record import Audit, Example
from mpodata.languages import languages
from mpodata.quality.measures import size
from mpodata.records import FIELDS
from mpodata.refusals.measured import unmeasured_mark

TEMPLATE: Final = Path(__file__).with_name("page.html.j2")

MEANINGS: Final = {
    "empty": "Nothing is left of the field.",
    "copied": "The field holds the dominant language's text.",
    "wrong-language": "The text is in another language than the row's.",
    "leftover-entities": "HTML entities or tokeniser marks that the dominant side does not have.",
    "looping": "The text repeats itself: a decoder that could not stop.",
    "lost-newlines": "Lines were run together.",
    "unterminated": "The text breaks off in mid-sentence: often an answer cut at the token limit.",
    "incomplete": "The end of the dominant text is missing.",
    "length-ratio": "Far shorter or longer than a translation of this text would be.",
    "shuffled": "Words, names, numbers, marks and lengths say that the two sides are not of one row.",
    "duplicate": "The same prompt and answers in the same language as an earlier row.",
    "duplicate-across-languages": "The same prompt and answer as an earlier row that is called another language.",
    "same-answers": "Chosen and rejected are the same text.",
    "contaminated": "The prompt is in an evaluation set.",
    "not-a-refusal": "A chosen answer (counterweight rows: a rejected one) that does not refuse, by phrase rules.",
    "is-a-refusal": "A rejected answer (counterweight rows: a chosen one) that refuses, by phrase rules.",
}


def render(audit: Audit, *, reveal: bool = False) -> str:
    """The page. Without `reveal` it holds counts, places and measures, and no text of the data."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    codes = audit.languages()
    return environment.get_template(TEMPLATE.name).render(
        title=Path(audit.name).name or audit.name,
        format=audit.format,
        version=__version__,
        total=sum(audit.rows.values()),
        summary=summary(audit),
        reveal=reveal,
        languages=[_language(audit, code) for code in codes],
        reasons=[_reason(audit, reason, codes, reveal) for reason in audit.all_reasons()],
        comparisons=_comparisons(audit),
        fields=FIELDS,
        conclusions=audit.conclusions,
        reliability=sorted(audit.reliability.items()),
        rests_on_rules=bool({"not-a-refusal", "is-a-refusal"} & set(audit.all_reasons())),
        dominant=audit.dominant,
        contamination=audit.contamination,
        unreadable=sorted(audit.unreadable.items()),
        unjudged=sorted(audit.unjudged.items()),
    )


def summary(audit: Audit) -> str:
    """The audit in a sentence or two."""
    total, faulty = sum(audit.rows.values()), sum(audit.faulty.values())
    if not total:
        return "No row could be read."
    reasons = audit.all_reasons()
    if not reasons:
        return f"All {total:,} rows pass every check."
    worst = max(audit.languages(), key=lambda code: audit.faulty[code] / audit.rows[code])
    share = audit.faulty[worst] / audit.rows[worst]
    return (
        f"{faulty:,} of {total:,} rows ({faulty / total:.0%}) have at least one finding; "
        f"the most severe is {reasons[0]} ({audit.total(reasons[0]):,}). Most affected: {_name(worst)} ({share:.0%})."
    )


def report(audit: Audit) -> Iterator[str]:
    """The audit for the terminal: summary, table, conclusions, what was not checked."""
    yield summary(audit)
    if audit.rows:
        yield from table(audit)
    yield from audit.conclusions
    untranslated = [comparison for comparison in audit.comparisons.values() if not comparison.translation]
    for comparison in untranslated:
        yield f"{comparison.language} {comparison.field} is compared with nothing: {comparison.why}."
    rests_on_rules = {"not-a-refusal", "is-a-refusal"} & set(audit.all_reasons())
    for code, note in sorted(audit.reliability.items()):
        if rests_on_rules or unmeasured_mark(code):  # that nothing was found says nothing there
            yield f"Refusal rules, {code}: {note}"
    for code, count in sorted(audit.unjudged.items()):
        yield f"{count:,} answers called {code} were not judged as refusals: no rules for the language they are in"
    for entry in audit.contamination:
        yield f"{entry['set']}: {entry['contaminated']} rows hold one of its {entry['prompts']:,} prompts"
    for reason, count in sorted(audit.unreadable.items()):
        yield f"{count} rows could not be read: {reason}"


def table(audit: Audit) -> Iterator[str]:
    """Lines for the terminal: rows by reason and language."""
    codes = audit.languages()
    reasons = audit.all_reasons()
    width = max([len(name) for name in (*reasons, "with findings")])
    yield f"{'':{width}}" + "".join(f"{code:>7}" for code in codes)
    yield f"{'rows':{width}}" + "".join(f"{audit.rows[code]:>7}" for code in codes)
    yield f"{'with findings':{width}}" + "".join(f"{audit.faulty[code]:>7}" for code in codes)
    for reason in reasons:
        yield f"{reason:{width}}" + "".join(f"{audit.reasons[code, reason] or '·':>7}" for code in codes)


def _language(audit: Audit, code: str) -> dict[str, Any]:
    rows, faulty = audit.rows[code], audit.faulty[code]
    share = round(100 * faulty / rows, 1)
    return {"code": code, "name": _name(code), "rows": rows, "faulty": faulty, "share": share}


def _reason(audit: Audit, reason: str, codes: list[str], reveal: bool) -> dict[str, Any]:
    counts = [audit.reasons[code, reason] for code in codes]
    return {
        "name": reason,
        "meaning": MEANINGS[reason],
        "total": sum(counts),
        "cells": [
            {"count": count, "shade": round(0.1 + 0.5 * count / audit.rows[code], 2)}
            for code, count in zip(codes, counts, strict=True)
        ],
        "examples": [_example(example, reveal) for example in audit.examples[reason]],
    }


def _example(example: Example, reveal: bool) -> dict[str, Any]:
    """One example as the page shows it; its texts only with `reveal`."""
    entry, name = example.entry, example.finding.field
    shown = list(FIELDS) if name == "row" else [name]
    texts = []
    if reveal:
        for part in shown if name == "row" else ["prompt", *[one for one in shown if one != "prompt"]]:
            if entry.dominant is not None:
                texts.append({"label": f"{part}, {entry.dominant.language}", "text": getattr(entry.dominant, part)})
            texts.append({"label": f"{part}, {entry.side.language}", "text": getattr(entry.side, part)})
    return {
        "place": entry.place,
        "language": entry.side.language,
        "field": name,
        "detected": None if name == "row" else getattr(example.quality, f"{name}_language"),
        "repetition": getattr(example.quality, f"{name}_repetition", None),
        "characters": sum(size(getattr(entry.side, part)) for part in shown),
        "original": None if entry.dominant is None else sum(size(getattr(entry.dominant, part)) for part in shown),
        "texts": texts,
    }


def _comparisons(audit: Audit) -> list[dict[str, Any]]:
    """One row a language: is each field a translation, and how far do its length ratios spread?"""
    codes = sorted({code for code, _ in audit.comparisons})
    cells = {
        key: {"translation": comparison.translation, "factor": math.exp(comparison.spread)}
        for key, comparison in audit.comparisons.items()
    }
    return [{"code": code, "cells": [cells.get((code, name)) for name in FIELDS]} for code in codes]


def _name(code: str) -> str:
    return languages()[code].name if code in languages() else code
