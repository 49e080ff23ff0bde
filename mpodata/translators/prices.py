"""What paid translation services ask for a million characters: prices.tsv, as read on the day that it names.

A service whose page was not read has no line, and `plan` names no cost for it.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Price:
    """A service's list price. Characters of the source text are counted, whatever the translation's length."""

    per_million: float  # characters
    currency: str
    read: str  # the day on which the page, or a stored copy of it, was read: "2026-11-27"
    source: str  # the address of the service's own page
    note: str

    def of(self, characters: int) -> float:
        """The price of so many characters, free allowances left out."""
        return self.per_million * characters / 1e6


@cache
def prices() -> dict[str, Price]:
    """Translator, as users type it, -> its price."""
    with Path(__file__).with_name("prices.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {
            row["translator"]: Price(float(row["price"]), row["currency"], row["read"], row["source"], row["note"])
            for row in rows
        }
