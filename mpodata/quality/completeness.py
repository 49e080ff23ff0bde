"""Is the end of the original in its translation? Evidence without a model.

One logistic regression a language over what a translation that lost its end shows: it is short, breaks off in
mid-sentence or in mid-quotation or on letters that sentences of this language seldom end on, has fewer sentences, and
the words, numbers, names and question mark of the original's end are not in it. The weights are in `completeness.tsv`,
the endings in `endings.tsv`; `scripts/calibrate_quality.py` fits them on real text.
"""

import csv
import math
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from mpodata.quality import measures
from mpodata.quality.cues import MARKS, cross_lingual_cues, sentences, sounds_of
from mpodata.quality.thresholds import DEFAULT, Thresholds
from mpodata.quality.words import word_table, words

TABLE: Final = Path(__file__).with_name("completeness.tsv")
ENDINGS: Final = Path(__file__).with_name("endings.tsv")
LONGEST_ENDING: Final = 4  # characters, spaces among them
MOST_DEVIATION: Final = 4.0  # standard deviations of one sentence's length
MOST_LOST: Final = 10.0  # nats of the words of one third
MOST_KEPT: Final = 20.0
USUAL: Final = -0.5  # z of the length from which a text that ends as it should is not looked into

# Of `ends_early`, in standard deviations of a length.
SHORT: Final = -1.5  # the whole text, at most
FITS: Final = 1.5  # its sentences beside the first ones of the original, in the mean
BEGINNING: Final = 2.5  # all of them together

FEATURES: Final = (
    "bias",
    "short",  # -z of the length ratio, 0 to 8
    "short_squared",
    "size",  # logarithm of the original's characters
    "broken_off",  # the original ends as a sentence does, the translation does not
    "broken_off_and_short",
    "odd_ending",  # log-odds that its last letters stand inside of a sentence, -4 to 4; 0 where they are not known
    "sentences_lost",  # share of the original's sentences that the translation has not
    "beginning_fits",  # the fewer sentences have the lengths of the original's first ones: 0 (no) to 2 (exactly)
    "ends_early",  # ... and all of them together, while the whole is short
    "numbers_lost",  # of the original's second half
    "numbers_kept",
    "names_lost",
    "names_kept",
    "prefixes_lost",
    "prefixes_kept",
    "first_names_lost",  # of its first half: this language spells names another way
    "asks_no_more",  # the original ends with a question mark, the translation does not
    "unbalanced",  # quotes and brackets that are opened and not closed
    "start_words_lost",  # evidence of words of the original's first third that are not in the translation, 0 to 10 nats
    "start_words_kept",  # ... and of those that are, 0 to 20 nats
    "middle_words_lost",  # the same of its second third
    "middle_words_kept",
    "end_words_lost",  # ... and of its last: in which third a cut shows depends on the order of a language's words
    "end_words_kept",
    *(f"{mark}_lost" for mark in MARKS),
)
_PAIRS: Final = ("()", "[]", "（）", "「」", "『』", "《》", "“”", "«»")


def incompleteness(dominant: str, target: str, limits: Thresholds) -> float:
    """The evidence (log-odds, for as many cut as whole texts) that `target` lacks the second half of `dominant`.

    Minus infinity where nothing speaks for it: the length is usual and the text ends as it should.
    """
    found = features(dominant, target, limits)
    if found is None:
        return -math.inf
    return sum(weight * value for weight, value in zip(_weights(limits.language), found, strict=True))


def first_sentences_alone(dominant: str, target: str, limits: Thresholds) -> tuple[float, float]:
    """The features `beginning_fits` and `ends_early` of a text that has fewer sentences than its original, two or more.

    The first is 2 less the mean deviation of their lengths, in standard deviations: where a translator joined two
    sentences, the lengths from there on do not fit. The second is 1 where all of them together fit as well.
    """
    originals, translations = sentences(dominant), sentences(target)
    if not 2 <= len(translations) < len(originals):
        return 0.0, 0.0
    sizes = [(measures.size(a), measures.size(b)) for a, b in zip(originals, translations, strict=False)]
    deviations = [min(abs(limits.z(a, b)), MOST_DEVIATION) if a and b else MOST_DEVIATION for a, b in sizes]
    mean = sum(deviations) / len(deviations)
    whole, beginning, translated = measures.size(dominant), sum(a for a, _ in sizes), measures.size(target)
    early = (
        mean < FITS
        and beginning > 0 < translated
        and abs(limits.z(beginning, translated)) < BEGINNING
        and limits.z(whole, translated) <= SHORT
    )
    return max(0.0, 2 - mean), float(early)


def features(dominant: str, target: str, limits: Thresholds) -> tuple[float, ...] | None:
    """What speaks for and against, in the order of FEATURES; None where the text need not be looked into."""
    sizes = measures.size(dominant), measures.size(target)
    z = limits.z(*sizes) if all(sizes) else 0.0
    broken_off = _ends(dominant, limits) and not _ends(target, limits)
    if z > USUAL and not broken_off:
        return None
    short = min(max(-z, 0.0), 8.0)
    middle = len(dominant) // 2
    first, second, whole = (
        cross_lingual_cues(dominant[:middle]),
        cross_lingual_cues(dominant[middle:]),
        cross_lingual_cues(target),
    )
    heard = sounds_of(whole, limits.language)
    lost = sum(name not in heard for name in second.names)
    marks = zip(cross_lingual_cues(dominant).marks, whole.marks, strict=True)
    return (
        1.0,
        short,
        short**2,
        math.log(sizes[0] + 1),
        float(broken_off),
        broken_off * short,
        odd_ending(target, endings(limits.language)),
        _sentences_lost(dominant, target),
        *first_sentences_alone(dominant, target, limits),
        min(len(second.numbers - whole.numbers), 3),
        min(len(second.numbers & whole.numbers), 3),
        min(lost, 3),
        min(len(second.names) - lost, 3),
        min(len(second.prefixes - whole.prefixes), 6),
        min(len(second.prefixes & whole.prefixes), 6),
        min(sum(name not in heard for name in first.names), 3),
        float(_asks(dominant) and not _asks(target)),
        min(max(_unbalanced(target) - _unbalanced(dominant), 0), 2),
        *_words_of_parts(dominant, target, limits),
        *(float(max(-2, min(a - b, 2))) for a, b in marks),
    )


def _words_of_parts(dominant: str, target: str, limits: Thresholds) -> Iterator[float]:
    """The six features of words that one third of the original has and the two others have not.

    Zeros where the original is not English, or its translation's language has no table.
    """
    table = word_table(limits.language) if limits.dominant == "en" else None
    if table is None:
        yield from (0.0,) * 6
        return
    translated = words(target)
    first, second = len(dominant) // 3, len(dominant) * 2 // 3
    parts = words(dominant[:first]), words(dominant[first:second]), words(dominant[second:])
    for part, other, another in (parts, parts[1:] + parts[:1], parts[2:] + parts[:2]):
        kept, lost = table.kept_and_lost(part - other - another, translated)
        yield min(lost, MOST_LOST)
        yield min(kept, MOST_KEPT)


def odd_ending(text: str, known: Mapping[str, float]) -> float:
    """The log-odds of the longest ending of `text` that is known, its last punctuation left out; 0 for none."""
    bare = without_last_marks(text)
    found = (known.get(bare[-length:]) for length in range(min(LONGEST_ENDING, len(bare)), 0, -1))
    return next((odds for odds in found if odds is not None), 0.0)


def without_last_marks(text: str) -> str:
    """The text up to its last letter, digit or vowel sign."""
    end = len(text)
    while end and unicodedata.category(text[end - 1])[0] not in "LNM":
        end -= 1
    return text[:end]


def endings(language: str) -> Mapping[str, float]:
    """Last letters of sentences -> log-odds that they stand inside of one; empty for languages not measured."""
    return _endings().get(language, {})


@cache
def _endings() -> Mapping[str, Mapping[str, float]]:
    with ENDINGS.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE)
        table: dict[str, dict[str, float]] = {}
        for code, ending, odds in rows:
            table.setdefault(code, {})[ending] = float(odds)
    return table


def _ends(text: str, limits: Thresholds) -> bool:
    return measures.ends_sentences(limits.language) and measures.terminated(text)


def _sentences_lost(dominant: str, target: str) -> float:
    wanted = len(sentences(dominant))
    return max(0.0, 1 - len(sentences(target)) / wanted) if wanted else 0.0


def _asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？", "؟", "?”", '?"'))


def _unbalanced(text: str) -> int:
    return text.count('"') % 2 + sum(text.count(opens) > text.count(closes) for opens, closes in _PAIRS)


@cache
def _weights(language: str) -> tuple[float, ...]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    column = language if language in rows[0] else DEFAULT
    table = {row["feature"]: float(row[column]) for row in rows}
    return tuple(table[name] for name in FEATURES)
