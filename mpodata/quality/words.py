"""Which words of English and of another language go together: one table a language, counted on public parallel text.

A table (`words/sw.tsv`) has a line for each English stem that tells something: its usual partners in the language, the
share of translations of a sentence with the stem that hold a partner, and the share of other sentences that do. It
holds no sentence. `scripts/calibrate_quality.py` counts the tables on the fitting half of its text.
"""

import csv
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from mpodata.quality.measures import RECENT, character_class

TABLES: Final = Path(__file__).with_name("words")
STEM: Final = 5  # letters of a word; inflection varies at the end

# Thai to Lao, Burmese, Khmer, kana, Han, and Hangul, whose particles are written on the word.
_UNDIVIDED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]+"
)
_WORD: Final = re.compile(r"[^\W_]+")
_ARABIC_PREFIX: Final = re.compile(r"^[وفبلك]?ال(?=\w{3})")


@dataclass(frozen=True, slots=True)
class Partners:
    """What stands for one English stem."""

    words: frozenset[str]
    in_translations: float  # share of translations of sentences with the stem that hold one of the words
    by_chance: float  # share of other sentences that do


@dataclass(frozen=True, slots=True)
class WordTable:
    """English stems and their partners in one language."""

    partners: Mapping[str, Partners]
    sentence_words: float  # words of the sentences that `by_chance` was counted on

    def evidence(self, english: Collection[str], target: Collection[str]) -> float:
        """The log-likelihood ratio (translation : other text) of a target text's words, in nats; 0 says nothing."""
        kept, lost = self.kept_and_lost(english, target)
        return kept - lost

    def kept_and_lost(self, english: Collection[str], target: Collection[str]) -> tuple[float, float]:
        """The evidence of the stems that have a partner in the target text, and of those that have none; both >= 0.

        A longer text holds a partner by chance more often: chances are those of a text of its length.
        """
        kept = lost = 0.0
        length = len(target) / self.sentence_words
        if not target:
            return kept, lost
        for stem in self.partners.keys() & english:
            partners = self.partners[stem]
            chance = 1 - (1 - partners.by_chance) ** length
            likely = partners.in_translations + (1 - partners.in_translations) * chance
            if partners.words.isdisjoint(target):
                lost -= math.log((1 - likely) / (1 - chance))
            else:
                kept += math.log(likely / chance)
        return kept, lost


@lru_cache(maxsize=2 * RECENT)
def words(text: str) -> frozenset[str]:
    """What counts as a word: stems; pairs of characters where words are not divided; combining marks left out."""
    plain = text.lower() if text.isascii() else vowel_signs().sub("", unicodedata.normalize("NFKC", text).casefold())
    if plain.isascii():
        return frozenset(word[:STEM] for word in _WORD.findall(plain))
    runs = _UNDIVIDED.findall(plain)
    pairs = {run[start : start + 2] for run in runs for start in range(len(run) - 1)}
    divided = _WORD.findall(_UNDIVIDED.sub(" ", plain))
    return frozenset(pairs | {_ARABIC_PREFIX.sub("", word)[:STEM] for word in divided})


@cache
def vowel_signs() -> re.Pattern[str]:
    """Vowel signs and other marks of category M, which would tear words apart."""
    return character_class(lambda c: unicodedata.category(c)[0] == "M")


@cache
def word_table(language: str) -> WordTable | None:
    """The table of a language beside English; None where there is none."""
    path = TABLES / f"{language}.tsv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t", quoting=3))
    ((_, sentence_words), _, *entries) = rows
    return WordTable(
        {
            stem: Partners(frozenset(partners.split()), float(in_translations), float(by_chance))
            for stem, partners, in_translations, by_chance in entries
        },
        float(sentence_words),
    )


def has_words(dominant: str, target: str) -> bool:
    """Is there a table that joins these two languages?"""
    return _joining(dominant, target)[0] is not None


def word_evidence(dominant: str, target: str, languages: tuple[str, str]) -> float | None:
    """The evidence of the words of two texts in `languages`, dominant first; None where no table joins these two."""
    table, swapped = _joining(*languages)
    if table is None:
        return None
    english, other = (target, dominant) if swapped else (dominant, target)
    return table.evidence(words(english), words(other))


@cache
def _joining(dominant: str, target: str) -> tuple[WordTable | None, bool]:
    """The table that joins two languages, and whether English is the target's."""
    if dominant == "en":
        return word_table(target), False
    return (word_table(dominant), True) if target == "en" else (None, False)


def familiar_words(text: str, dominant: str, target: str) -> tuple[int, int] | None:
    """How many of a target text's words its table knows as partners, and of how many; None without such a table."""
    if dominant != "en" or word_table(target) is None:
        return None
    own = words(text)
    return len(own & _partner_words(target)), len(own)


@cache
def _partner_words(language: str) -> frozenset[str]:
    table = word_table(language)
    return frozenset(word for partners in table.partners.values() for word in partners.words) if table else frozenset()
