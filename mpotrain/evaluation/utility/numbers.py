"""The number that an answer ends with, in any script's digits and with any language's separators."""

import re
import unicodedata
from fractions import Fraction

# A digit, then digits, grouping and decimal marks, then a digit; or one digit. Digits of every script are \d.
NUMBER = re.compile(r"[-−–]?\d(?:[\d.,٬٫’'  ]*\d)?")
GROUPS = re.compile(r"\d{1,3}(?:[.,٬’'  ]\d{3})+")


def last_number(text: str) -> Fraction | None:
    """The last number in `text`; None where it has none."""
    found = NUMBER.findall(text)
    return number(found[-1]) if found else None


def number(text: str) -> Fraction:
    """`text` as a number: 2,125 and 2.125 and ২,১২৫ are 2125; 2.5 and 2,5 and ٢٫٥ are 5/2.

    A mark that could be either groups where exactly three digits follow each, as MGSM's answers have it.
    """
    sign = -1 if text[0] in "-−–" else 1
    digits = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text.lstrip("-−–"))
    marks = [place for place, c in enumerate(digits) if not c.isdecimal()]
    if not marks or GROUPS.fullmatch(digits):
        return sign * Fraction(_plain(digits))
    return sign * Fraction(f"{_plain(digits[: marks[-1]])}.{_plain(digits[marks[-1] :])}")


def _plain(digits: str) -> str:
    return "".join(c for c in digits if c.isdecimal()) or "0"
