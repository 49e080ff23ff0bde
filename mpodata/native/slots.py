"""The slots that prompts are written for: a hazard category, a style and a topic, with the user's own examples.

Only names ship with this project. What a prompt of a slot looks like is the user's to show: a table with the columns
category, style, topic, example and, where examples differ by language, language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mpodata.errors import DataError, UnknownName
from mpodata.languages import language
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped, content_id
from mpodata.refusals.guards import HAZARDS

CATEGORIES: Final = HAZARDS  # Llama Guard 3's, S1 to S14
STYLES: Final = (  # of Rainbow Teaming, as RefusEU names them
    "slang", "technical terms", "role play", "authority manipulation", "misspellings", "word play",
    "emotional manipulation", "hypotheticals", "historical scenario", "uncommon dialects",
)  # fmt: skip
EXAMPLES: Final = 5  # most that a generator is shown, as RefusEU


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing to write prompts about, in one way."""

    category: str  # of CATEGORIES
    style: str  # of STYLES
    topic: str
    examples: tuple[str, ...]

    @property
    def group(self) -> str:
        """Slots of one category and style stand in one split, in all languages."""
        return content_id("slot", self.category, self.style)


def read_slots(path: str, code: str) -> list[Slot]:
    """The slots of a table with their examples for one language: those in it, and those without a language.

    Raises DataError for a table without slots, UnknownName for a category or a style that is none.
    """
    examples: dict[tuple[str, str, str], list[str]] = {}
    for row in Upstream(path).rows():
        if isinstance(row, Dropped):
            raise DataError(f"{path}: {row.detail} cannot be read.")
        given = {name: str(row.get(name) or "").strip() for name in ("category", "style", "topic", "example")}
        empty = next((name for name in ("category", "style", "topic") if not given[name]), None)
        if empty is not None:
            raise DataError(f"{path}: every row needs category, style, topic and example; one has no {empty}.")
        key = (category_of(given["category"]), _named("style", given["style"], STYLES), given["topic"])
        here = examples.setdefault(key, [])
        if given["example"] and _is_for(row, code):
            here.append(given["example"])
    if not examples:
        raise DataError(f"{path} holds no slot: rows of category, style, topic and example.")
    return [Slot(*key, tuple(shown[:EXAMPLES])) for key, shown in examples.items()]


def category_of(text: str) -> str:
    """A category by its name or its number: "Privacy", "S7"."""
    by_number = {f"S{number}": name for number, name in enumerate(CATEGORIES, start=1)}
    return by_number.get(text.upper()) or _named("category", text, CATEGORIES)


def _named(kind: str, text: str, names: tuple[str, ...]) -> str:
    match = next((name for name in names if name.casefold() == text.casefold()), None)
    if match is None:
        raise UnknownName(kind, text, names)
    return match


def _is_for(row: Mapping[str, Any], code: str) -> bool:
    stated = str(row.get("language") or "").strip()
    return not stated or language(stated).code == code
