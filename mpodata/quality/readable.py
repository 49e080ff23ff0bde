"""Does a text read as a language, or are its letters thrown together?

Letters follow each other in words as they do in the language's stems of `words/`: the mean log-ratio of how often two
neighbours stand together there to how often chance would put them together is above 0 for writing and below 0 for
letters at random, even where each letter is as frequent as it should be.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Final

from mpodata.quality.words import TABLES, vowel_signs, word_table

MIN_PAIRS: Final = 40  # neighbours from which a text can be told; fewer vary too much
START: Final = "^"  # stands before a word's first letter
LETTERS: Final = 8  # of a word that are read: the tables hold its first letters only

# The value of `writing` (nats) below which a text is none. Of 52,000 real answers, prompts and sentences in 40
# languages one lies below; of letters at random, in texts of 15 to 60 words, 98 in 100 or more do.
LIMIT: Final = 0.0
LIMITS: Final[Mapping[str, float]] = {"ar": -0.05, "he": -0.05, "ko": -0.2, "zh": -0.2}

# Words are not divided there, and the tables' two-character stems do not hold enough neighbours.
UNTOLD: Final = frozenset({"ja", "th", "my", "km"})

_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Counts of letters that stand beside each other in a language's stems."""

    together: Counter[tuple[str, str]]
    first: Counter[str]
    second: Counter[str]

    def ratio(self, letters: tuple[str, str]) -> float | None:
        """log(observed / expected by chance) of two neighbours, in nats; None where a letter is unknown."""
        first, second = self.first[letters[0]], self.second[letters[1]]
        if not first or not second:
            return None
        expected = first * second / self.together.total()
        smoothing = 0.5 * min(expected, 1.0)
        return math.log((self.together[letters] + smoothing) / (expected + smoothing))


def writing(text: str, language: str) -> float | None:
    """The mean log-ratio of the neighbouring letters of `text`, in nats, plus its standard error: a short text has the
    benefit of the doubt. None where it cannot be told.

    That is: fewer than MIN_PAIRS neighbours, or a language without a table or without divided words.
    """
    known = None if language in UNTOLD else neighbours(language)
    if known is None:
        return None
    pairs = [pair for word in _WORD.findall(_plain(text)) for pair in pairwise(START + word[:LETTERS])]
    ratios = [ratio for pair in pairs if (ratio := known.ratio(pair)) is not None]
    if len(ratios) < MIN_PAIRS:
        return None
    return fmean(ratios) + pstdev(ratios) / math.sqrt(len(ratios))


def reads(text: str, language: str) -> bool:
    """Does `text` read as `language`? True where it cannot be told."""
    ratio = writing(text, language)
    return ratio is None or ratio >= LIMITS.get(language, LIMIT)


@cache
def neighbours(language: str) -> Neighbours | None:
    """The counts of a language that has a table of words (English: all of them hold its stems)."""
    if language == "en":
        tables = [word_table(path.stem) for path in sorted(TABLES.glob("*.tsv"))]
        stems = {stem for table in tables if table for stem in table.partners}
    elif own := word_table(language):
        stems = {word for partners in own.partners.values() for word in partners.words}
    else:
        return None
    pairs = [pair for stem in sorted(stems) for pair in pairwise(START + stem)]
    return Neighbours(Counter(pairs), Counter(first for first, _ in pairs), Counter(second for _, second in pairs))


def _plain(text: str) -> str:
    """Lower case without vowel signs, as the stems are."""
    return vowel_signs().sub("", unicodedata.normalize("NFKC", text).casefold())
