"""What each language is held to: one table, `thresholds.tsv`, written by `scripts/calibrate_quality.py`."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("thresholds.tsv")
SHORT: Final = 40  # characters of an original without white space, up to which the limits of short texts hold
LONG: Final = 200  # ... from which those of long ones hold; between them a limit is a line
DEFAULT: Final = "*"  # the row of languages that were not measured: the widest values of those that were


@dataclass(frozen=True, slots=True)
class Thresholds:
    """One target language beside one dominant language."""

    language: str
    dominant: str  # the original's language
    ratio: float  # characters of a translation per character of its original, median
    spread: float  # standard deviation of log(ratio) that length does not remove
    spread_short: float  # ... and what short texts add: divided by the root of the original's characters
    shortest: float  # z of log(ratio) below which most of the text is missing
    longest: float  # z above which there is more than a translation
    incomplete: float  # evidence (`completeness.py`) above which the end of a short text is missing
    incomplete_text: float  # ... of a long one
    repetition: float  # repeated share above the original's
    lines: float  # lines kept, as a share of the original's
    field_evidence: float  # evidence (`alignment.py`) of a short field below which it belongs to another row
    text_evidence: float  # ... of a long one, whose words seldom fail it: free translation averages out
    row_evidence: float  # ... of all fields of a row together, where they are short
    familiar: float  # share of the words of a correct text that the table of words knows

    def least_evidence(self, size: int) -> float:
        """The evidence below which a field with an original of so many characters belongs to another row."""
        return _between(self.field_evidence, self.text_evidence, size)

    def least_row_evidence(self, size: int) -> float:
        """The summed evidence below which a whole target side with an original of so many characters does."""
        return _between(self.row_evidence, self.text_evidence, size)

    def most_incompleteness(self, size: int) -> float:
        """The evidence above which a translation of so many characters of an original lacks its end."""
        return _between(self.incomplete, self.incomplete_text, size)

    def z(self, dominant: int, target: int) -> float:
        """How many standard deviations log(target / dominant) is from the usual; sizes in characters, both > 0."""
        deviation = math.hypot(self.spread, self.spread_short / math.sqrt(dominant))
        return math.log(target / (dominant * self.ratio)) / deviation


def share_of_long(size: int) -> float:
    """How far a text of so many characters is from SHORT (0) to LONG (1)."""
    return min(max((size - SHORT) / (LONG - SHORT), 0.0), 1.0)


def _between(short: float, long: float, size: int) -> float:
    return short + (long - short) * share_of_long(size)


@cache
def thresholds(target: str, dominant: str = "en") -> Thresholds:
    """The thresholds of `target` where the original is in `dominant`; measured from English, scaled for others."""
    table = _table()
    row = table.get(target, table[DEFAULT])
    values = {key: float(value) for key, value in row.items() if key != "language"}
    if dominant != "en":
        values["ratio"] /= float(table.get(dominant, table[DEFAULT])["ratio"])
    return Thresholds(language=target, dominant=dominant, **values)


@cache
def _table() -> dict[str, dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return {row["language"]: row for row in rows}
