"""Text of any script, as comparisons see it."""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

_INVISIBLE: Final = re.compile(  # soft hyphen, tatweel, joiners, direction marks, variation selectors, byte-order mark
    "[\u00ad\u0640\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_AFTER_NAME: Final = re.compile(r"(?<=\w)[+#]+(?!\w)")  # C++, C#, A+
_BEFORE_NAME: Final = re.compile(r"\.(?<!\S\.)(?=[^\W\d_])")  # .NET
_SPACED_PERCENT: Final = re.compile(r"(?<=\d)\s+%")
_KEPT: Final = ("L", "M", "N", "Sc")  # letters, combining marks, numbers, currency signs
_OPERATORS: Final = frozenset("+<=>±×÷−≤≥≠∞√")  # say something between two terms, however they are spaced
_DIGIT: Final = re.compile(r"\d")
_BETWEEN_NUMBERS: Final = re.compile(r"(?<=\d)\s*([-−*×/÷⁄])\s*(?=\d)")
_ONE_SIGN: Final = {"−": "-", "×": "*", "÷": "/", "⁄": "/"}  # "5 − 3" is "5 - 3", and a half is 1/2
_SKIN_TONES: Final = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


RECENT: Final = 4096  # texts remembered: duplicates, copies and evaluation sets ask for the same

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """`text` with lone surrogates, which neither tokenizers nor UTF-8 take, replaced by U+FFFD."""
    if not _SURROGATES.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def storable(text: str) -> str:
    """`text` without lone surrogates and NUL: what files, databases and tokenizers all take."""
    return without_surrogates(text.replace("\x00", ""))


@lru_cache(maxsize=RECENT)
def normalised(text: str) -> str:
    """`text` as duplicates compare it.

    NFKC, case-folded, single spaces. Kept: letters and digits of any script with their combining marks (vowel signs of
    Hindi, Bengali, Thai, ...), currency signs, arithmetic, the symbols of C++, C# and .NET, a number's % sign, emoji
    and other pictures. Invisible characters (joiners, direction marks, soft hyphens) go; punctuation separates words.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("i\u0307", "i")
    folded = _INVISIBLE.sub("", folded)
    if "%" in folded:
        folded = _SPACED_PERCENT.sub("%", folded)
    numbers = _BETWEEN_NUMBERS.search(folded) if _DIGIT.search(folded) else None
    if numbers:
        folded = _BETWEEN_NUMBERS.sub(lambda match: f" {_ONE_SIGN.get(match[1], match[1])} ", folded)
    named = [*_BEFORE_NAME.finditer(folded), *(_AFTER_NAME.finditer(folded) if "+" in folded or "#" in folded else ())]
    if folded.isascii() and not numbers and not named and not _ASCII_SYMBOLS.intersection(folded):
        return _ASCII_SEPARATORS.sub(" ", folded).strip()
    attached = {place for match in named for place in range(*match.span())}
    if numbers:
        attached |= {match.start() + 1 for match in _SPACED_SIGN.finditer(folded)}
    if not attached and "%" not in folded:
        return " ".join(folded.translate(_COMPARED).split())

    def compared(match: re.Match[str]) -> str:
        place = match.start()
        return match[0] if place in attached else _compared(match[0], folded[place - 1 : place])

    return " ".join(_NEITHER_LETTER_NOR_DIGIT.sub(compared, folded).split())


def without_pictures(normalised_text: str) -> str:
    """A normalised text without the emoji and other pictures in it; as it is where it holds nothing else."""
    if normalised_text.isascii():
        return normalised_text
    if not any(map(_is_picture, set(normalised_text))):
        return normalised_text
    bare = "".join(" " if _is_picture(character) else character for character in normalised_text)
    return " ".join(bare.split()) or normalised_text


_ASCII_SYMBOLS: Final = frozenset("+#<=>$%")
_ASCII_SEPARATORS: Final = re.compile(r"[\W_]+")
_NEITHER_LETTER_NOR_DIGIT: Final = re.compile(r"[^\w ]|_")
_SPACED_SIGN: Final = re.compile(r"(?<=\d) [-*/] (?=\d)")


def _compared(character: str, before: str) -> str:
    """What stands for `character` in a comparison; `before` is the character before it, if any."""
    if character in _OPERATORS or _is_picture(character):
        return f" {character} "
    if character == "%":
        return character if before.isdigit() else " "
    return character if _is_kept(character) else " "


class _ComparedCharacters(dict[int, str]):
    """Code point -> what stands for it where its neighbours do not matter, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = _NEITHER_LETTER_NOR_DIGIT.sub(lambda match: _compared(match[0], ""), character)
        return self[code]


_COMPARED: Final = _ComparedCharacters()


@cache
def _is_kept(character: str) -> bool:
    return unicodedata.category(character).startswith(_KEPT)


@cache
def _is_picture(character: str) -> bool:
    """An emoji, its skin tone, an arrow or another symbol beyond ASCII that no keyboard writes by the way."""
    if character.isascii() or character in _OPERATORS:
        return False
    return unicodedata.category(character) in ("So", "Sm") or character in _SKIN_TONES
