"""How an upstream row becomes a SourceRow: cleaned, identified, grouped by prompt."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from mpodata.languages.text import normalised
from mpodata.readers.cells import clean_text, field
from mpodata.records import COUNTERWEIGHT, Dropped, Kind, Pair, SourceRow, content_id


def prompt_group(prompt: str) -> str:
    """Rows whose prompts differ in case, punctuation or spacing only belong together."""
    return content_id(normalised(prompt) or prompt)


def without_repeated(pairs: Iterable[Pair | Dropped]) -> Iterator[Pair | Dropped]:
    """`pairs` of parallel rows, with a Dropped in the place of each that an earlier one of its language repeats."""
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        if isinstance(pair, Pair):
            key = (pair.pair_id, pair.target.language)
            if key in seen:
                pair = Dropped("duplicate", f"{pair.source_id}: {pair.target.language} again")
            seen.add(key)
        yield pair


def place_of(dropped: Dropped, source_id: str) -> Dropped:
    """`dropped` with the row's place before its detail."""
    return Dropped(dropped.reason, f"{source_id}: {dropped.detail}".removesuffix(": "))


def source_row(
    prompt: Any,
    unsafe: Any = None,
    safe: Any = None,
    *,
    source_id: str,
    category: Any = None,
    kind: Kind = "harmful",
    needs_unsafe: bool = False,
) -> SourceRow | Dropped:
    """One row from raw cells. A missing safe answer is no fault; a missing unsafe one is where `needs_unsafe`."""
    texts: dict[str, str | None] = {}
    for name, value in (("prompt", prompt), ("rejected", unsafe), ("chosen", safe)):
        if value is None and name != "prompt" and not (needs_unsafe and name == "rejected"):
            texts[name] = None
            continue
        text = field(value, name)
        if isinstance(text, Dropped):
            if name == "chosen" and text.reason == "empty-chosen":
                texts[name] = None
                continue
            return place_of(text, source_id)
        texts[name] = text
    cleaned = texts["prompt"]
    assert cleaned is not None  # field() gave a text or returned above
    return SourceRow(
        pair_id=content_id(cleaned, texts["rejected"] or "", texts["chosen"] or ""),
        source_id=source_id,
        group=prompt_group(cleaned),
        prompt=cleaned,
        kind=kind,
        unsafe=texts["rejected"],
        safe=texts["chosen"],
        category=COUNTERWEIGHT if kind == "harmless" else category_name(category),
    )


def category_name(value: Any) -> str:
    """A category as text: a name, the first of a list, the first true key of a mapping (PKU-SafeRLHF, BeaverTails).

    A mapping may come as its text, as tables write it; anything else that is nested is no category.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _mapping(value)
    if isinstance(value, dict):
        value = next((name for name, holds in value.items() if holds), None)
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if value is None or value != value or isinstance(value, list | tuple | dict):
        return ""
    return clean_text(str(value))[:200]


def _mapping(text: str) -> dict[Any, Any] | None:
    """The dict that a text is, in Python's or JSON's notation."""
    try:
        value = ast.literal_eval(text.replace("true", "True").replace("false", "False")[:10_000])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None
