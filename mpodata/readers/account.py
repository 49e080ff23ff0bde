"""Every line is accounted for: what a reader takes from a file equals the rows it gives plus what is no row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from mpodata.records import Dropped

RawRow = dict[str, Any]


@dataclass
class Account:
    """What one reading of one file has taken and given, in units of its format: lines, array elements, table rows."""

    taken: int = 0  # units read from the file
    no_rows: int = 0  # units that are no row: headers, blank lines, further lines of a quoted field
    given: int = 0  # rows and Dropped handed out

    def lines(self, text: IO[str]) -> Iterator[str]:
        """The lines of a file, each taken."""
        for line in text:
            self.taken += 1
            yield line

    def settled(self, rows: Iterator[RawRow | Dropped]) -> Iterator[RawRow | Dropped]:
        """`rows`, counted; at their end every unit taken must have become a row, a Dropped or be no row.

        A difference is a fault of the reader, never of the file.
        """
        for row in rows:
            self.given += 1
            yield row
        assert self.taken == self.given + self.no_rows, f"rows lost while reading: {self}"
