"""Do two texts say the same? Evidence without a model, added up over their sentences.

Each pair of sentences gets a log-likelihood ratio (translation of each other : two sentences of one collection) from a
logistic regression over words that go together (`words.py`), numbers, names, marks and lengths; sentences are taken as
independent and added. The weights are in `alignment.tsv`: one set for each language with a table of words, one for
others in Latin letters (names and cognates keep their spelling) and one for others in another script;
`scripts/calibrate_quality.py` fits them. One short sentence proves little; three decide nearly always.
"""

import csv
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from mpodata.languages import languages
from mpodata.quality.cues import MARKS, cross_lingual_cues, sentences, sounds_of
from mpodata.quality.measures import RECENT
from mpodata.quality.thresholds import Thresholds
from mpodata.quality.words import has_words, word_evidence

TABLE: Final = Path(__file__).with_name("alignment.tsv")
MOST_WORDS: Final = 12.0
STRONGEST: Final = 8.0  # evidence of one sentence

FEATURES: Final = (
    "bias",
    "words_for",  # evidence of the table of words (`words.py`), 0 to 12 nats
    "words_against",
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


@lru_cache(maxsize=4 * RECENT)  # asked about a file's fields, by the check and by the audit
def alignment_evidence(dominant: str, target: str, limits: Thresholds) -> float:
    """The evidence that `target` translates `dominant`, in nats; below 0 speaks against, 0 where nothing is said.

    Sentences beside sentences are the sharper comparison, whole texts the one that holds where a translator joined or
    split sentences: the better of both counts.
    """
    pairs = matched(dominant, target)
    if not pairs:
        return 0.0
    evidence = sum(_sentence_evidence(a, b, limits) for a, b in pairs)
    if len(pairs) == 1 or evidence > 0:
        return evidence
    return max(evidence, _sentence_evidence(dominant, target, limits))


def _sentence_evidence(dominant: str, target: str, limits: Thresholds) -> float:
    """One log-likelihood ratio, cut at +-STRONGEST: a single sentence, however odd, decides little of a long text."""
    values = features(dominant, target, limits)
    weights = _weights(weights_name(limits.dominant, limits.language))
    ratio = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return max(-STRONGEST, min(STRONGEST, ratio))


def weights_name(dominant: str, target: str) -> str:
    """The column of `alignment.tsv` for two languages: the one beside English, where a table of words joins them."""
    if has_words(dominant, target):
        return target if dominant == "en" else dominant
    return "latin" if _latin(target) else "other"


def matched(dominant: str, target: str) -> list[tuple[str, str]]:
    """Sentence beside sentence where both texts have as many, else line beside line, else the whole texts."""
    for split in (sentences, _lines):
        parts, others = split(dominant), split(target)
        if parts and len(parts) == len(others):
            return list(zip(parts, others, strict=True))
    return [(dominant, target)] if dominant.strip() and target.strip() else []


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def features(dominant: str, target: str, limits: Thresholds) -> tuple[float, ...]:
    """What speaks for and against one sentence translating another, in the order of FEATURES."""
    a, b = cross_lingual_cues(dominant), cross_lingual_cues(target)
    word_score = word_evidence(dominant, target, (limits.dominant, limits.language)) or 0.0
    deviation = min(abs(limits.z(a.size, b.size)), 4.0) if a.size and b.size else 0.0
    sounds = sounds_of(b, limits.language)
    heard = sum(name in sounds for name in a.names)
    marks = list(zip(a.marks, b.marks, strict=True))
    return (
        1.0,
        min(max(word_score, 0.0), MOST_WORDS),
        min(max(-word_score, 0.0), MOST_WORDS),
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
    table = languages()
    return code in table and table[code].script == "latin"


@cache
def _weights(writing: str) -> tuple[float, ...]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        table = {row["feature"]: float(row[writing]) for row in rows}
    return tuple(table[name] for name in FEATURES)
