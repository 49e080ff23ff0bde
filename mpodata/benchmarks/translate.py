"""A benchmark's prompts in other languages, each row the same prompt as its English one."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mpodata.benchmarks.xstest import LABELS, XSTestTable
from mpodata.errors import ConfigError
from mpodata.records import Dropped
from mpodata.translators.document import DocumentTranslator

ORIGINAL = "en"


@dataclass(frozen=True, slots=True)
class LanguageFile:
    """One language of a benchmark version: its rows as JSON Lines and what the manifest says of them."""

    data: bytes
    facts: dict[str, Any]


def original(table: XSTestTable) -> LanguageFile:
    """The English prompts as published."""
    rows = [
        {"id": prompt.id, "language": ORIGINAL, "prompt": prompt.prompt, **_shared(asdict(prompt))}
        for prompt in table.prompts
    ]
    return _file(rows, {}, table.dropped)


def translated(
    table: XSTestTable,
    language: str,
    name: str,
    translator: DocumentTranslator,
    say: Callable[[str], None] = lambda _: None,
) -> LanguageFile:
    """The prompts in `language`; one that could not be translated soundly is left out and counted by its reason."""
    if language == ORIGINAL:
        raise ConfigError("--languages names en, which is XSTest's own language: it is always in the version.")
    texts = translator.texts([prompt.prompt for prompt in table.prompts], ORIGINAL, language)
    rows, dropped = [], Counter[str]()
    for prompt, text in zip(table.prompts, texts, strict=True):
        if isinstance(text, Dropped):
            dropped[text.reason] += 1
            continue
        shared = _shared(asdict(prompt))
        rows.append(
            {"id": prompt.id, "language": language, "prompt": text, **shared, "english": prompt.prompt}
            | {"translator": name}
        )
    say(f"{language}: {len(rows)} of {len(table.prompts)} prompts")
    return _file(rows, {"name": name, **translator.provenance()}, dropped)


def _shared(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """What a row keeps in every language; the last two are empty in English, so that all files have one schema."""
    kept = {name: prompt[name] for name in ("label", "type", "focus", "note")}
    return {**kept, "english": "", "translator": ""}


def _file(rows: Iterable[Mapping[str, Any]], translator: Mapping[str, Any], dropped: Mapping[str, int]) -> LanguageFile:
    rows = list(rows)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    counts = {label: sum(row["label"] == label for row in rows) for label in LABELS}
    facts = {"rows": len(rows), **counts, "dropped": dict(sorted(dropped.items())), "translator": dict(translator)}
    return LanguageFile("".join(f"{line}\n" for line in lines).encode(), facts)
