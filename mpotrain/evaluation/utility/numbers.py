"""The number that an answer ends with, in any script's digits and with any language's separators."""

import re
from fractions import Fraction
from typing import Final

from mpodata.languages.numbers import NUMBER, RUN, ascii_digits, numbers

MARKED: Final = re.compile(
    r"\\boxed\s*\{([^{}]*\d[^{}]*)\}|^\s*####\s*(.*\d.*)$", re.MULTILINE
)  # said to be the answer
MARKER: Final = re.compile(r"^\s*(?:[-*]\s+)?\**\(?(\d{1,3})[.)、:।．]\**(?=\s+\S)", re.MULTILINE)  # "3. Then ..."
BEFORE_YEAR: Final = re.compile(
    r"(?:\b(?:in|since|until|year|en|año|im|seit|jahr|mwaka|mwaka wa|năm|année|anno|tahun|rok)|سنة|عام|ปี|พ\.ศ\.|ค\.ศ\."
    r"|সাল)\s*\Z",
    re.IGNORECASE,
)
AFTER_YEAR: Final = re.compile(r"\s*(?:年|년|সাল|సంవత్సర|में)")
SIGNS: Final = "-−–"


def last_number(text: str) -> Fraction | None:
    """The last number in `text` that is neither the marker of a list item nor a year; None where it has none.

    What stands in `\\boxed{}` or behind `####` goes before. A text of years alone ends with its last year.
    """
    if marked := MARKED.findall(text):
        text = next(part for part in marked[-1] if part)
    bare = _without_markers(text)
    places = [(match.start(), match.end()) for match in NUMBER.finditer(bare)]
    if not places:
        return None
    start, end = next(((s, e) for s, e in reversed(places) if not _is_year(bare, s, e)), places[-1])
    written = numbers(bare[start:end])[-1]
    signed = (
        start > 0
        and bare[start - 1] in SIGNS
        and not (start > 1 and (bare[start - 2].isalnum() or bare[start - 2] in ")%"))
    )
    return number(f"-{written}" if signed else written)


def number(text: str) -> Fraction:
    """`text` as a number: 2,125 and 2.125 and ২,১২৫ are 2125; 12,34,567 is 1234567; 2.5 and 2,5 and ٢٫٥ are 5/2.

    A mark that could be either groups where exactly three digits follow each, as MGSM's answers have it.
    """
    sign = -1 if text[0] in SIGNS else 1
    match = NUMBER.fullmatch(text.lstrip(SIGNS))
    if match is None:
        raise ValueError(f"{text!r} is not a number.")
    written = match[0]
    marks = [place for place, character in enumerate(written) if not character.isdecimal()]
    kinds = {written[place] for place in marks}
    grouped = len(marks) > len(kinds) or (match["mark"] is not None and int(written[0]) != 0)  # 0.125 has no groups
    if not marks or (grouped and len(kinds) == 1):
        return sign * Fraction(ascii_digits(written))
    whole, _, part = written.rpartition(written[marks[-1]])
    return sign * Fraction(f"{ascii_digits(whole)}.{ascii_digits(part)}")


def _without_markers(text: str) -> str:
    """`text` without list markers: numbers that open a line, where a neighbouring number opens another line."""
    opening = {int(ascii_digits(match[1])) for match in MARKER.finditer(text)}

    def bare(match: re.Match[str]) -> str:
        place = int(ascii_digits(match[1]))
        listed = (place - 1 in opening) or (place + 1 in opening)
        return " " * len(match[0]) if listed else match[0]

    return MARKER.sub(bare, text)


def _is_year(text: str, start: int, end: int) -> bool:
    written = text[start:end]
    if not RUN.fullmatch(written) or not 1800 <= int(ascii_digits(written)) <= 2600 or len(written) != 4:
        return False
    return bool(BEFORE_YEAR.search(text[max(0, start - 12) : start]) or AFTER_YEAR.match(text, end))
