"""Numbers in running text, in any script's digits and with any language's separators."""

import re
from typing import Final

# Groups of three with one kind of mark (1,200 / 1.200 / 1 200 / 1'200), Indian groups (12,34,567), or digits with at
# most one decimal mark. `\d` is a digit of any script.
_PLAIN: Final = r"\d+(?:[.,٫]\d+)?"
_GROUPED: Final = r"\d{1,3}(?P<mark>[.,٬’'\u00a0\u202f ])\d{3}(?:(?P=mark)\d{3})*(?!\d)(?:(?!(?P=mark))[.,٫]\d+)?"
_INDIAN: Final = r"\d{1,2}(?:[,٬]\d{2})+[,٬]\d{3}(?!\d)(?:[.٫]\d+)?"
NUMBER: Final = re.compile(rf"(?=\d)(?<!\d)(?:{_INDIAN}|{_GROUPED}|{_PLAIN})")  # (?=\d): fails fast elsewhere
RUN: Final = re.compile(r"\d+")
_LISTED: Final = re.compile(r"\d+(?:,\d+){2,}")  # 1,2,3 and 10,20,30: several numbers


def numbers(text: str) -> list[str]:
    """The numbers of `text` as it writes them, in order: "2024 180" is two, "1 800" and "12,34,567" are one each."""
    return [match[0] for match in NUMBER.finditer(_apart(text))]


def _apart(text: str) -> str:
    """`text` with a space after the commas of lists such as "1,2,3", whose groups no number has."""

    def split(match: re.Match[str]) -> str:
        grouped = re.fullmatch(rf"{_GROUPED}|{_INDIAN}", match[0])
        return match[0] if grouped else match[0].replace(",", ", ")

    return _LISTED.sub(split, text)


def ascii_digits(text: str) -> str:
    """The digits of `text`, of whatever script, as 0-9; all else is left out."""
    return "".join(str(int(character)) for character in text if character.isdecimal())


def values(text: str) -> set[str]:
    """Every number of `text` by its digits alone: "1,200", "1.200" and "১,২০০" are "1200"; so are its unbroken runs."""
    return {ascii_digits(number) for number in [*numbers(text), *RUN.findall(text)]}
