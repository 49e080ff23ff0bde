"""What each language is held to: one table, `thresholds.tsv`, written by `scripts/calibrate_quality.py`."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("thresholds.tsv")
SEVERAL: Final = 3  # sentences
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
    incomplete: float  # evidence (`completeness.py`) above which the second half is missing
    repetition: float  # repeated share above the original's
    lines: float  # lines kept, as a share of the original's
    field_evidence: float  # evidence (`alignment.py`) of a field below which it belongs to another row
    text_evidence: float  # ... where its original has `SEVERAL` sentences or more: free translation averages out
    row_evidence: float  # ... of all fields of a row together, where they have fewer

    def least_evidence(self, sentences: int) -> float:
        """The evidence below which a field with an original of so many sentences belongs to another row."""
        return self.text_evidence if sentences >= SEVERAL else self.field_evidence

    def least_row_evidence(self, sentences: int) -> float:
        """The summed evidence below which a whole target side with an original of so many sentences does."""
        return self.text_evidence if sentences >= SEVERAL else self.row_evidence

    def z(self, dominant: int, target: int) -> float:
        """How many standard deviations log(target / dominant) is from the usual; sizes in characters, both > 0."""
        deviation = math.hypot(self.spread, self.spread_short / math.sqrt(dominant))
        return math.log(target / (dominant * self.ratio)) / deviation


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
