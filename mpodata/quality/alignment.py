"""Do two texts say the same? Evidence without a dictionary or a model, added up over their sentences.

Each pair of sentences gets a log-likelihood ratio (translation of each other : two sentences of one collection) from a
logistic regression over the anchors; sentences are taken as independent and added. The weights are in
`agreement.tsv`, one set for languages in Latin letters (names and cognates keep their spelling) and one for all others;
`scripts/calibrate_quality.py` fits them. One short sentence proves little; ten decide nearly always.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Final

from mpodata.languages import languages
from mpodata.quality.cues import MARKS, CrossLingualCues, cross_lingual_cues, sentences, sounds_of
from mpodata.quality.thresholds import Thresholds

TABLE: Final = Path(__file__).with_name("alignment.tsv")

FEATURES: Final = (
    "bias",
    "deviation",  # |z| of the length ratio, at most 4
    "deviation_squared",
    "numbers_shared",
    "numbers_lost",
    "numbers_added",
    "names_heard",  # names of the original whose consonants are in the translation
    "names_lost",
    "latin_shared",
    "latin_added",
    "prefixes_shared",
    *(f"{mark}_differ" for mark in MARKS),
    *(f"{mark}_agree" for mark in MARKS),
)


def alignment_evidence(dominant: str, target: str, limits: Thresholds) -> tuple[float, int]:
    """The summed evidence that `target` translates `dominant` (below 0 speaks against), and of how many sentences."""
    weights = _weights("latin" if _latin(limits.language) else "other")
    ratios = [
        sum(
            weight * value
            for weight, value in zip(
                weights, features(cross_lingual_cues(a), cross_lingual_cues(b), limits), strict=True
            )
        )
        for a, b in matched(dominant, target)
    ]
    return sum(ratios), len(ratios)


def matched(dominant: str, target: str) -> list[tuple[str, str]]:
    """Sentence beside sentence where both texts have as many, else line beside line, else the whole texts."""
    for split in (sentences, _lines):
        parts, others = split(dominant), split(target)
        if parts and len(parts) == len(others):
            return list(zip(parts, others, strict=True))
    return [(dominant, target)] if dominant.strip() and target.strip() else []


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def features(a: CrossLingualCues, b: CrossLingualCues, limits: Thresholds) -> tuple[float, ...]:
    """What speaks for and against one sentence translating another, in the order of FEATURES."""
    deviation = min(abs(limits.z(a.size, b.size)), 4.0) if a.size and b.size else 0.0
    sounds = sounds_of(b, limits.language)
    heard = sum(name in sounds for name in a.names)
    marks = list(zip(a.marks, b.marks, strict=True))
    return (
        1.0,
        deviation,
        deviation**2,
        min(len(a.numbers & b.numbers), 3),
        min(len(a.numbers - b.numbers), 3),
        min(len(b.numbers - a.numbers), 3),
        min(heard, 3),
        min(len(a.names) - heard, 3),
        min(len(a.latin & b.latin), 4),
        min(len(b.latin - a.latin), 4),
        min(len(a.prefixes & b.prefixes), 6),
        *(float(min(abs(x - y), 2)) for x, y in marks),
        *(float(min(x, y, 1)) for x, y in marks),
    )


def _latin(code: str) -> bool:
    known = languages()
    return code in known and known[code].script == "latin"


@cache
def _weights(writing: str) -> tuple[float, ...]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        table = {row["feature"]: float(row[writing]) for row in rows}
    return tuple(table[name] for name in FEATURES)
