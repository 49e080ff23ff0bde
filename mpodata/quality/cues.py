"""What a text and its translation share without a dictionary: numbers, names, Latin words, marks, lengths.

Names are compared by their consonants. The letters of most scripts say how they sound in their Unicode names
("BENGALI LETTER KA", "KATAKANA LETTER TO", "HANGUL SYLLABLE GAM"), so one rule reads them all; sounds that languages
merge (p b f v; k g c q; l r; m n; s z j sh ch) count as one. Chinese writes names by meaning or by characters whose
names say nothing, and is left to the other anchors.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from mpodata.languages.numbers import RUN, ascii_digits, numbers
from mpodata.quality.measures import RECENT, size
from mpodata.quality.words import vowel_signs

MIN_CONSONANTS: Final = 3  # of a name; two are found anywhere
PREFIX: Final = 4  # letters that cognates and inflected names share
MOST_WORDS_SEEN: Final = 1 << 16  # words whose cues are remembered

_SENTENCE: Final = re.compile(r"(?<=[.!?。！？؟।॥…])[\s\"'”’」』）)]*|\n+")
_MYRIADS: Final = {"万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "억": 8}
_MYRIAD: Final = re.compile(rf"(\d+)(?:\.(\d{{1,3}}))?\s?([{''.join(_MYRIADS)}])")  # 1.5万 is 15,000
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SIBILANT: Final = re.compile(r"ch|sh|c(?=[eiy])")
_DOUBLED: Final = re.compile(r"(.)\1+")
_LATIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]+")
_CLASSES: Final = str.maketrans("bfvgcqxlmzjd", "pppkkkkrnsst")  # p b f v; k g c q x; r l; n m; s z j; t d
_CONSONANTS: Final = re.compile(r"[bcdfgjklmnpqrstvxz]+")
MARKS: Final = {
    "question": "?？؟",
    "exclamation": "!！",
    "quote": '"“”„«»「」『』《》',
    "bracket": "(（",
    "colon": ":：",
    "comma": ",，、،",
}
_MARK: Final = re.compile(f"[{''.join(MARKS.values())}]")
_NUMBERED: Final = {mark: str(number) for number, marks in enumerate(MARKS.values()) for mark in marks}
_KIND_OF_MARK: Final = str.maketrans(_NUMBERED)  # each mark -> the number of its kind
_KINDS: Final = "".join(map(str, range(len(MARKS))))

# Scripts whose letters are named by their sound; in the first group the last word of the name is the sound.
_NAMED_LAST: Final = frozenset(
    {"bengali", "devanagari", "gujarati", "gurmukhi", "kannada", "malayalam", "oriya", "sinhala", "tamil", "telugu"}
    | {
        "katakana",
        "hangul",
        "ethiopic",
        "khmer",
        "lao",
        "myanmar",
        "georgian",
        "armenian",
        "cyrillic",
        "greek",
        "hebrew",
    }
)
_READABLE: Final = _NAMED_LAST | {"arabic", "thai"}
_READ_AS: Final = {
    "waw": "", "yeh": "", "heh": "", "hah": "", "ain": "", "alef": "", "hamza": "", "tcheh": "s", "marbuta": "",
    "sara": "", "mai": "", "maitaikhu": "", "maiyamok": "", "ho": "", "o": "", "yo": "", "wo": "",
    "ca": "s", "cha": "s", "nga": "n", "ng": "n", "nya": "n", "mark": "",
    "alpha": "", "eta": "", "ve": "v", "che": "s", "es": "s", "er": "r", "el": "l", "em": "m", "en": "n", "ef": "f",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CrossLingualCues:
    """What one sentence offers to compare."""

    size: int  # characters without white space
    numbers: frozenset[str]
    names: tuple[str, ...]  # consonants of capitalised words
    sounds: tuple[str, ...]  # consonants of every word
    latin: frozenset[str]  # Latin words, lower case
    prefixes: frozenset[str]  # first letters of longer Latin words, without accents
    marks: tuple[int, ...]  # counts of ? ! quotes brackets colons commas


@lru_cache(maxsize=RECENT)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, told by their marks and by line breaks."""
    return tuple(part for part in (piece.strip() for piece in _SENTENCE.split(text)) if any(c.isalnum() for c in part))


@lru_cache(maxsize=RECENT)
def cross_lingual_cues(text: str) -> CrossLingualCues:
    """The anchors of one sentence."""
    plain = text if text.isascii() else vowel_signs().sub("", text)
    words = list(map(_word_cues.__getitem__, _WORD.findall(plain)))
    marks = "".join(_MARK.findall(text)).translate(_KIND_OF_MARK)
    return CrossLingualCues(
        size=size(text),
        numbers=numbers_of(text),
        names=tuple([word.consonants for word in words if word.is_name]),
        sounds=tuple([word.consonants for word in words if word.consonants]),
        latin=frozenset(map(str.lower, _LATIN.findall(text))),
        prefixes=frozenset([word.prefix for word in words if word.prefix]),
        marks=tuple(map(marks.count, _KINDS)),
    )


def sounds_of(found: CrossLingualCues, language: str) -> str:
    """All its words by their consonants: where a name is looked for. Thai and its like write words together."""
    return ("" if language in ("th", "km", "my", "lo") else " ").join(found.sounds)


class _WordCues(NamedTuple):
    """What one word offers."""

    consonants: str  # "" where there are fewer than MIN_CONSONANTS
    is_name: bool  # capitalised, with enough consonants
    prefix: str  # first letters of a longer Latin word without accents, or ""


class _WordsSeen(dict[str, _WordCues]):
    """Word -> what it offers, worked out when it is first met; most words of a text were.

    `lru_cache` takes three times as long to find a word, as it keeps the order in which words were asked for.
    """

    def __missing__(self, word: str) -> _WordCues:
        if len(self) >= MOST_WORDS_SEEN:
            self.clear()
        self[word] = _cues_of(word)
        return self[word]


_word_cues: Final = _WordsSeen()


def _cues_of(word: str) -> _WordCues:
    heard = consonants(word)
    if len(heard) < MIN_CONSONANTS:
        heard = ""
    plain = _plain(word) if _may_be_latin(word) else ""
    prefix = plain[:PREFIX] if len(plain) > PREFIX and plain.isascii() else ""
    return _WordCues(heard, bool(heard) and word[0].isupper(), prefix)


def consonants(word: str) -> str:
    """The consonant classes of a word in order, doubles once."""
    classes = _read(word).translate(_SOUNDS)
    return _DOUBLED.sub(r"\1", classes) if len(classes) > 1 else classes


def _read(word: str) -> str:
    """Latin spelling as it sounds, roughly: ch and sh are s, ph is p, soft c is s; other scripts stay."""
    word = word.lower()
    if word.isascii():
        if "c" in word or "sh" in word:
            word = _SIBILANT.sub("s", word)
        word = word.replace("ph", "p").replace("x", "ks")
    return word


class _Sounds(dict[int, str]):
    """Code point -> the classes of its consonants, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _sound(chr(code)).translate(_CLASSES)
        return self[code]


_SOUNDS: Final = _Sounds()


def _sound(character: str) -> str:
    """The consonants of one letter, from its Unicode name."""
    plain = unicodedata.normalize("NFD", character)[0] if not "가" <= character <= "힣" else character
    if plain.isascii():
        return plain if plain in "bcdfgjklmnpqrstvxz" else ""
    words = unicodedata.name(plain, "").lower().split()
    if len(words) < 3 or words[0] not in _READABLE:
        return ""
    spoken = words[-1] if words[0] in _NAMED_LAST else words[2]
    spoken = _READ_AS.get(spoken, spoken)
    if words[0] == "hangul":
        return "".join(_CONSONANTS.findall(_read(spoken)))
    found = _CONSONANTS.match(_read(spoken))
    return found.group() if found else ""


def _may_be_latin(word: str) -> bool:
    """Can the word be ASCII without its accents? Not where it begins with a letter of another script."""
    return word[0] < "\u0370" or "\u1e00" <= word[0] < "\u2c00"


def _plain(word: str) -> str:
    """The word in lower case without its accents."""
    if word.isascii():
        return word.lower()
    return "".join(c for c in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(c))


def numbers_of(text: str) -> frozenset[str]:
    """The numbers of a text by their digits, 0-9 and without separators: "১,২৩,৪৫৬" is "123456", "1.5万" "15000"."""
    if not RUN.search(text):
        return frozenset()
    written = numbers(_MYRIAD.sub(_expanded, text) if _MYRIAD.search(text) else text)
    return frozenset(ascii_digits(number).lstrip("0") or "0" for number in written)


def _expanded(found: re.Match[str]) -> str:
    whole, decimals, myriad = found.groups(default="")
    return f"{whole}{decimals}{'0' * (_MYRIADS[myriad] - len(decimals))} "
