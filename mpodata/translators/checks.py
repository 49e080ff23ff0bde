"""Is this translation of one segment sound? Each check returns None or the reason it is not.

These run on every segment, before anything is put together again, so that a faulty one can be tried another way. The
checks on whole rows (`mpodata.quality`) come after and are stricter.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mpodata.languages import language as language_of
from mpodata.languages.identification import identify, script_shares, without_noise
from mpodata.languages.numbers import values
from mpodata.translators.segments import has_words, items, kept_items, kept_numbers, without_items

# Characters that say what one character of English says (NTREX, medians), by script; other scripts count 1.
LENGTH: Final = {"han": 0.31, "kana": 0.43, "hangul": 0.5, "arabic": 0.86, "hebrew": 0.8, "thai": 0.93, "latin": 1.05}
SHORTEST, LONGEST, SLACK = 0.35, 3.0, 20  # of the length to expect; characters either way for short segments

LOOP: Final = re.compile(r"(\S.{0,60}?)\1{3,}", re.DOTALL)  # something said four times in a row
LOOP_CHARACTERS: Final = 16  # of the whole run: "hahaha" and "......" are none
TRIGRAMS: Final = 16  # fewer say nothing about repetition
DISTINCT: Final = 0.5  # share of distinct trigrams below which a text goes in circles

UNKNOWN_SIGNS: Final = ("<unk>", "\u2047")

LETTERS_TO_IDENTIFY: Final = 30  # fewer letters of a shared script do not tell two languages apart
CERTAIN: Final = 0.98


def faults(texts: Sequence[str], translations: Sequence[str], source: str, target: str) -> list[str | None]:
    """The first reason against each translation: "empty", "looping", "untranslated", ...; None where sound."""
    return faults_of(list(zip(texts, translations, strict=True)), source, target)


def faults_of(pairs: Sequence[tuple[str, str]], source: str, target: str) -> list[str | None]:
    """The same of (text, translation)."""
    return [_fault(text, translation, source, target) for text, translation in pairs]


def _fault(text: str, translation: str, source: str, target: str) -> str | None:
    return (
        empty(translation)
        or unknown_token(text, translation)
        or looping(text, translation)
        or untranslated(text, translation, source, target)
        or misproportioned(text, translation, source, target)
        or lossy(text, translation)
    )


def empty(translation: str) -> str | None:
    """Nothing came back that says something."""
    return None if has_words(translation) or items(translation) else "empty"


def unknown_token(text: str, translation: str) -> str | None:
    """The translator wrote the sign for a token it does not have: `<unk>`, or SentencePiece's U+2047."""
    return "unknown-token" if any(sign in translation and sign not in text for sign in UNKNOWN_SIGNS) else None


def looping(text: str, translation: str) -> str | None:
    """The translation goes in circles, and the text does not."""
    return "looping" if circles(translation) and not circles(text) else None


def circles(text: str) -> bool:
    """Is something said four times in a row, or over and over?"""
    if any(len(match[0]) >= LOOP_CHARACTERS and has_words(match[1]) for match in LOOP.finditer(text)):
        return True
    words = text.split()
    units = words if len(words) > len(text) / 16 else list(text)  # scripts without spaces: characters
    trigrams = Counter(zip(units, units[1:], units[2:], strict=False))
    total = sum(trigrams.values())
    return total >= TRIGRAMS and len(trigrams) < DISTINCT * total


def untranslated(text: str, translation: str, source: str, target: str) -> str | None:
    """The text came back as it was, or in its own language. Names and codes may come back as they are."""
    if source == target:
        return None
    if "".join(text.split()).casefold() == "".join(translation.split()).casefold():
        return None if only_names(text) else "untranslated"
    script = language_of(target).script
    if language_of(source).script != script:
        shares = script_shares(without_noise(translation))
        own = shares.get(script, 0.0) + (shares.get("han", 0.0) if script == "kana" else 0.0)
        return "untranslated" if shares and own < 0.2 and not only_names(text) else None
    if sum(map(str.isalpha, without_noise(translation))) < LETTERS_TO_IDENTIFY:
        return None
    [(code, belief)] = identify([translation], {source, target})
    return "untranslated" if code == source and belief >= CERTAIN else None


def only_names(text: str) -> bool:
    """Are all words of `text` names or codes, as far as letters can tell: "NASA", "San Diego, CA"?"""
    words = re.findall(r"[^\W\d_]+", without_items(text))
    return all(word[0].isupper() or (len(word) == 1 and word.isascii()) for word in words)


def misproportioned(text: str, translation: str, source: str, target: str) -> str | None:
    """Far shorter or longer than translations between these scripts are."""
    expected = expected_length(text, source, target)
    slack = SLACK * min(1.0, LENGTH.get(language_of(target).script, 1.0))
    if len(translation) < SHORTEST * expected - slack / 4:
        return "too-short"
    return "too-long" if len(translation) > LONGEST * expected + slack else None


def expected_length(text: str, source: str, target: str) -> float:
    """Characters that a translation usually has."""
    return len(text) * LENGTH.get(language_of(target).script, 1.0) / LENGTH.get(language_of(source).script, 1.0)


def lossy(text: str, translation: str) -> str | None:
    """A line, link, code span, placeholder or long number of the text is gone."""
    if len(translation.split("\n")) != len(text.split("\n")):
        return "lost-newlines"
    wanted, kept = Counter(kept_items(text)), Counter(kept_items(translation))
    if any(translation.count(item) < count for item, count in (wanted - kept).items()):
        return "lost-item"
    numbers = kept_numbers(text)
    return "lost-number" if numbers and not set(numbers) <= values(translation) else None
