"""Chinese, Japanese and Korean text in two-byte encodings, and UTF-16 without a mark, told by what they decode to.

Several of these encodings decode each other's bytes without an error: Japanese in Shift-JIS is rare Hangul in CP949. So
an encoding is taken only where what it gives looks like running text of its language, and where no other language does.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

ZERO_BYTES: Final = 0.02  # share of zero bytes from which text may be UTF-16; spaces and line ends alone give as much
ONE_SIDE: Final = 0.75  # of them in one half of the byte pairs
MIXED: Final = 0.2  # most places where a letter beyond ASCII stands beside a Latin one, for each such letter
READABLE: Final = 0.95  # share of letters, marks, digits, punctuation and spaces in text

_INSIDE_WORDS: Final = re.compile(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]")  # "Schl걌sel": German, misread


def east_asian_encoding(sample: bytes) -> str | None:
    """The encoding among cp932, euc_jp, cp949, gb18030 and big5 that gives running text; None where that is open.

    Japanese goes before Korean and Korean before Chinese: the bytes of their commonest signs (kana, Hangul) are common
    characters in the Chinese encodings as well, but Chinese text hardly gives kana or unbroken Hangul.
    """
    for language in _FITS:
        fitting = [encoding for encoding, fits in language.items() if _fits(_decoded(sample, encoding), encoding, fits)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _fits(text: str, encoding: str, test: Callable[[str, str], bool]) -> bool:
    letters = "".join(character for character in text if character > "\x7f" and character.isalpha())
    return len(_INSIDE_WORDS.findall(text)) <= MIXED * len(letters) and test(letters, encoding)


def _decoded(sample: bytes, encoding: str) -> str:
    """What `sample` decodes to; "" where it does not decode. A sample may cut letters at both ends."""
    for start in range(3):
        for end in range(3):
            try:
                return sample[start : len(sample) - end].decode(encoding)
            except UnicodeDecodeError:
                continue
    return ""


def _share(text: str, test: Callable[[str], bool]) -> float:
    return sum(map(test, text)) / len(text) if text else 0.0


def _is_japanese(text: str, _: str) -> bool:
    """Hiragana carries the grammar; half-width katakana shows bytes of another encoding."""
    half_width = _share(text, lambda character: "\uff61" <= character <= "\uff9f")
    return _share(text, lambda character: "\u3041" <= character <= "\u309f") >= 0.2 and half_width < 0.05


def _is_korean(text: str, _: str) -> bool:
    """Hangul, and of the 2,350 syllables in use that the older EUC-KR has."""
    hangul = [character for character in text if "\uac00" <= character <= "\ud7a3"]
    common = sum(len(character.encode("euc_kr")) == 2 for character in hangul)  # others are spelled out in eight bytes
    return len(hangul) >= 0.8 * len(text) > 0 and common >= 0.98 * len(hangul)


def _is_chinese(text: str, encoding: str) -> bool:
    """Characters of the first, common level of the encoding's standard; no kana, which GB 2312 has as well."""
    han = _share(text, lambda character: "\u4e00" <= character <= "\u9fff")
    common = _share(text, lambda character: _LEVEL_ONE[encoding](character.encode(encoding)))
    return han >= 0.95 and common >= 0.8


_LEVEL_ONE: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "gb18030": lambda code: b"\xb0\xa1" <= code <= b"\xd7\xf9",
    "big5": lambda code: b"\xa4\x40" <= code <= b"\xc6\x7e",
}
# For each language its encodings, and the test of what they decode to.
_FITS: Final[Sequence[Mapping[str, Callable[[str, str], bool]]]] = (
    {"cp932": _is_japanese, "euc_jp": _is_japanese},
    {"cp949": _is_korean},
    {"gb18030": _is_chinese, "big5": _is_chinese},
)


def utf16_without_mark(start: bytes) -> str | None:
    """UTF-16 of any script: its ASCII characters (spaces, line ends, commas) have a zero byte on one side."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    zeros = even + odd
    if not start or zeros < ZERO_BYTES * len(start) or max(even, odd) < ONE_SIDE * zeros:
        return None
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = start[: len(start) & ~1].decode(encoding)
    except UnicodeDecodeError as error:
        text = start[: error.start].decode(encoding)
    readable = _share(text, lambda character: unicodedata.category(character)[0] in "LMNPZ" or character in "\r\n\t")
    return encoding if text and readable >= READABLE and "\x00" not in text else None
