"""Is a field of a file a translation of the dominant side? Decided from many rows, before single rows are judged.

Lengths of translations keep one ratio: the spread (robust standard deviation) of log(target / dominant) is .1 to .3 in
real translations of ten languages, .5 to 1.6 where each language was answered for itself. Where lengths leave it open,
it is asked whether a row's own texts belong together better than those of neighbouring rows. Build and audit ask here,
so that both compare the same fields.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mpodata.quality.alignment import alignment_evidence
from mpodata.quality.measures import size
from mpodata.quality.thresholds import thresholds
from mpodata.records import FIELDS, Side

MIN_ROWS: Final = 20  # rows from which a file says something; with fewer, fields are taken as translations
MAX_ROWS: Final = 200  # rows looked at for each language and field: more change nothing
SHORTEST: Final = 16  # characters of a dominant text whose length says something
USUAL_SPREAD: Final = 0.40  # below: translations
WIDEST_SPREAD: Final = 0.70  # above: no translations; between, the rows' own texts decide
BELONGING: Final = 0.80  # share of rows whose own texts must belong together better than neighbours', in between
UNRELATED: Final = -1.0  # median evidence below which texts of usual lengths are about something else
STEP: Final = 7  # rows between a text and the neighbour it is compared with


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """What the rows of a file say of one field in one language."""

    language: str
    field: str
    rows: int
    spread: float  # robust standard deviation of log(target / dominant) characters
    belonging: float | None  # share of rows whose own texts belong together better than a neighbour's; None: not asked
    translation: bool
    why: str  # one sentence

    def as_dict(self) -> dict[str, object]:
        """For machines."""
        return {
            "language": self.language,
            "field": self.field,
            "rows": self.rows,
            "length_spread": round(self.spread, 3),
            "belonging": None if self.belonging is None else round(self.belonging, 3),
            "translation": self.translation,
            "why": self.why,
        }


Comparisons = Mapping[tuple[str, str], FieldComparison]  # by (language, field)


def compare_fields(sides: Iterable[tuple[Side, Side]]) -> dict[tuple[str, str], FieldComparison]:
    """A comparison for each language and field with at least MIN_ROWS (dominant, target) texts."""
    texts: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    languages: dict[tuple[str, str], str] = {}
    for dominant, target in sides:
        for name in FIELDS:
            key = target.language, name
            if len(texts[key]) < MAX_ROWS:
                original, text = getattr(dominant, name), getattr(target, name)
                if size(original) >= SHORTEST and size(text):
                    texts[key].append((original, text))
                    languages[key] = dominant.language
    return {
        key: _compared(key, languages[key], pairs) for key, pairs in sorted(texts.items()) if len(pairs) >= MIN_ROWS
    }


def translated_fields(comparisons: Comparisons, language: str) -> tuple[str, ...]:
    """The fields of a language that are compared with the dominant side; those with too few rows are."""
    return tuple(
        name for name in FIELDS if (language, name) not in comparisons or comparisons[language, name].translation
    )


def _compared(key: tuple[str, str], dominant: str, texts: list[tuple[str, str]]) -> FieldComparison:
    language, name = key
    logs = [math.log(size(text) / size(original)) for original, text in texts]
    middle = statistics.median(logs)
    spread = 1.4826 * statistics.median(abs(log - middle) for log in logs)
    lengths = f"{len(texts)} rows, lengths spread by a factor of {math.exp(spread):.2f}"
    if spread > WIDEST_SPREAD:
        why = f"no translation: {lengths}"
        return FieldComparison(language, name, len(texts), spread, None, False, why)
    limits = thresholds(language, dominant)
    own = [alignment_evidence(original, text, limits) for original, text in texts]
    if spread <= USUAL_SPREAD:
        related = statistics.median(own) >= UNRELATED
        why = (
            f"translation: {lengths}" if related else f"no translation: {lengths}, but the texts have little in common"
        )
        return FieldComparison(language, name, len(texts), spread, None, related, why)
    moved = [texts[(place + STEP) % len(texts)][1] for place in range(len(texts))]
    others = [alignment_evidence(original, text, limits) for (original, _), text in zip(texts, moved, strict=True)]
    belonging = sum(a > b for a, b in zip(own, others, strict=True)) / len(texts)
    translation = belonging >= BELONGING
    kind = "translation" if translation else "no translation"
    why = f"{kind}: {lengths}, {belonging:.0%} of the rows' texts belong together better than neighbouring rows'"
    return FieldComparison(language, name, len(texts), spread, belonging, translation, why)
