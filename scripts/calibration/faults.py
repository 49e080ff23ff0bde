"""The faults that real translations have, injected into correct rows. One field of a row is hit, chosen at random."""

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mpodata.quality.cues import sentences
from mpodata.records import Pair

Inject = Callable[[Pair, random.Random, "Material"], Pair | None]

ENTITIES = ("&#39;", "&quot;", "&amp;", "&lt;", "&nbsp;")


class Material:
    """What faults are made from: the other rows, and texts in other languages."""

    def __init__(self, rows: Sequence[Pair], others: Sequence[Pair], fields: Sequence[str]) -> None:
        self.rows = rows
        self.others = others  # rows in other target languages
        self.fields = fields  # those that may be hit


def untranslated(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """The field holds the original."""
    name = draw.choice(material.fields)
    return _with(pair, name, getattr(pair.dominant, name))


def wrong_language(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """The field holds a text in a third language."""
    name = draw.choice(material.fields)
    return _with(pair, name, getattr(draw.choice(material.others).target, name))


def half_missing(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """The second half is gone: whole sentences where there are several, else cut in mid-sentence."""
    name = draw.choice(material.fields)
    return _with(pair, name, cut(getattr(pair.target, name), 1 / 2))


def third_missing(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """The last third is gone."""
    name = draw.choice(material.fields)
    return _with(pair, name, cut(getattr(pair.target, name), 2 / 3))


def cut(text: str, kept: float) -> str:
    """The first part of a text: whole sentences where there are enough, else words, else characters."""
    parts = sentences(text)
    if len(parts) * min(kept, 1 - kept) >= 0.9:
        whole = text[: text.index(parts[math.floor(len(parts) * kept + 1 / 3)])].rstrip()
    else:
        words = text.split(" ")
        whole = " ".join(words[: int(len(words) * kept)]) if len(words) > 5 else text[: int(len(text) * kept)]
    return whole.rstrip(" ,，、،")


def looping(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """From some place in its second half on, the text says the same few words until 1.5 to 3 times its length."""
    name = draw.choice(material.fields)
    text = getattr(pair.target, name)
    start = draw.randint(len(text) // 2, len(text))
    words = re.findall(r"\S+\s*", text[:start])
    phrase = (
        "".join(words[-draw.randint(2, 6) :]) if len(words) > 6 else text[max(0, start - draw.randint(5, 15)) : start]
    )
    wanted = int(len(text) * draw.uniform(1.5, 3))
    return _with(pair, name, (text[:start].rstrip() + " " + (phrase.strip() + " ") * wanted)[:wanted])


def lost_newlines(pair: Pair, draw: random.Random, material: Material) -> Pair | None:
    """Lines run together."""
    several = [name for name in material.fields if "\n" in getattr(pair.target, name)]
    if not several:
        return None
    name = draw.choice(several)
    return _with(pair, name, getattr(pair.target, name).replace("\n", " "))


def leftover_entities(pair: Pair, draw: random.Random, material: Material) -> Pair:
    """A mark or a space came back as an HTML entity."""
    name = draw.choice(material.fields)
    text = getattr(pair.target, name)
    places = [place for place, c in enumerate(text) if not c.isalnum()] or [len(text)]
    place = draw.choice(places)
    return _with(pair, name, text[:place] + draw.choice(ENTITIES) + text[place + 1 :])


def shuffled(pair: Pair, draw: random.Random, material: Material) -> Pair | None:
    """The whole target side is that of another row, which shares no sentence with this one."""
    other = _another(pair, draw, material)
    return other and replace(pair, target=other.target)


def chosen_shuffled(pair: Pair, draw: random.Random, material: Material) -> Pair | None:
    """The chosen answer alone is that of another row."""
    other = _another(pair, draw, material)
    return other and _with(pair, "chosen", other.target.chosen)


def _another(pair: Pair, draw: random.Random, material: Material) -> Pair | None:
    own = set(sentences(pair.dominant.rejected))
    candidates = (draw.choice(material.rows) for _ in range(20))
    return next((other for other in candidates if not own & set(sentences(other.dominant.rejected))), None)


FAULTS: dict[str, Inject] = {
    "untranslated": untranslated,
    "wrong-language": wrong_language,
    "half-missing": half_missing,
    "third-missing": third_missing,
    "looping": looping,
    "lost-newlines": lost_newlines,
    "leftover-entities": leftover_entities,
    "shuffled": shuffled,
    "chosen-shuffled": chosen_shuffled,
}


def _with(pair: Pair, name: str, text: str) -> Pair:
    changes: dict[str, Any] = {name: text}
    return replace(pair, target=replace(pair.target, **changes))
