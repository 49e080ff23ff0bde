"""Rows out of CSV and TSV, every line accounted for.

Quoted fields follow RFC 4180: a quote opens only at the beginning of a field, `""` is one quote, a field may go on over
lines. Python's csv module reads on where a quote is never closed, and swallows the lines it passes. Here:
- TSV: a field that begins with a quote and is not wholly quoted is text, quote included;
- CSV: a row with text after a closing quote is dropped, with every line it covers. A quote that is never closed drops
  its own line where each later line is a whole row by itself; else the file is refused, naming the line;
- a quote that closes lines later, over lines that all look like rows (as many filled cells as names, none after a
  space), may be a stray one: nothing tells which, so that the record is dropped with every line it covers.

The line of names, repeated further down (files joined end to end), is no row: it is dropped.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.readers.account import Account, RawRow
from mpodata.readers.encoding import holds_invalid_bytes
from mpodata.readers.files import LocalFile
from mpodata.readers.json_rows import INVALID_BYTES, UNREADABLE
from mpodata.records import Dropped

SWALLOWED: Final = 2  # lines inside a quoted field that all look like rows, from which the quote is not believed
NAMES_AGAIN: Final = "the line of names again"
LONGEST_FIELD: Final = 1 << 24  # characters that one quoted field may go on for before it counts as never closed

COMPLETE, OPEN, MISQUOTED = "complete", "open", "misquoted"


def delimited_rows(file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    """One row per record under the names of the header, or under "0", "1", ... for a file without one."""
    with file.text() as text:
        yield from _Table(file, account, _Lines(account.lines(text))).rows()


class _Lines:
    """Lines with their numbers, the first 1; lines that were looked at ahead can be put back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._numbered = enumerate(lines, start=1)
        self._ahead: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._ahead.popleft() if self._ahead else next(self._numbered)

    def put_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._ahead.extendleft(reversed(lines))


@dataclass
class _Record:
    """The fields of one record, fed line by line."""

    delimiter: str
    fields: list[str] = field(default_factory=list)
    wrongly_closed_by_an_opening: bool = False  # the quote before the text that should not follow one begins a field
    _quoted: list[str] | None = None  # parts of the quoted field that is open

    def feed(self, line: str) -> str:
        """COMPLETE at the end of the record, OPEN inside a quoted field, MISQUOTED for text after a closing quote."""
        position = 0
        while True:
            if self._quoted is not None:
                end = line.find('"', position)
                if end < 0:
                    self._quoted.append(line[position:])
                    return OPEN
                self._quoted.append(line[position:end])
                position = end + 1
                if line.startswith('"', position):
                    self._quoted.append('"')
                    position += 1
                    continue
                after = line.find(self.delimiter, position)
                if line[position : len(line) if after < 0 else after].strip(" \r\n"):
                    self.wrongly_closed_by_an_opening = line[position - 2 : position - 1] in ("", self.delimiter)
                    return MISQUOTED
                self.fields.append("".join(self._quoted))
                self._quoted = None
                if after < 0:
                    return COMPLETE
                position = after + 1
            elif line.startswith('"', position):
                self._quoted = []
                position += 1
            else:
                end = line.find(self.delimiter, position)
                if end < 0:
                    self.fields.append(line[position:].rstrip("\r\n"))
                    return COMPLETE
                self.fields.append(line[position:end])
                position = end + 1


class _Table:
    """The records of one file, from its first line on."""

    def __init__(self, file: LocalFile, account: Account, lines: _Lines) -> None:
        self._file = file
        self._account = account
        self._lines = lines
        self._delimiter = ""
        self._text_quotes = False  # a quote may be text: TSV
        self._names: list[str] = []

    def rows(self) -> Iterator[RawRow | Dropped]:
        for number, line in self._filled_lines():
            if not self._names:
                self._begin(line)
                if self._file.header:
                    self._account.no_rows += 1
                    continue
            yield from self._record(number, line)

    def _filled_lines(self) -> Iterator[tuple[int, str]]:
        for number, line in self._lines:
            if line.strip("\r\n"):
                yield number, line
            else:
                self._account.no_rows += 1

    def _begin(self, first: str) -> None:
        """Delimiter and names from the first line: comma, semicolon or tab."""
        tabs = self._file.suffix == ".tsv" or ("\t" in first and "," not in first)
        self._delimiter = "\t" if tabs else ";" if first.count(";") > first.count(",") else ","
        self._text_quotes = tabs
        names = self._fields(first)
        if names is None or holds_invalid_bytes(first):
            raise DataError(f"{self._file.path}: the first line cannot be read as names of columns.")
        self._names = column_names(names, self._file.path) if self._file.header else [str(i) for i in range(len(names))]

    def _fields(self, line: str) -> list[str] | None:
        """The fields of one line that is a whole record; None where its quotes are wrong or go on."""
        if '"' not in line:
            return line.rstrip("\r\n").split(self._delimiter)
        if self._text_quotes and not self._file.header:  # MGSM: written by plain joins, where a quote is a character
            return line.rstrip("\r\n").split(self._delimiter)
        record = _Record(self._delimiter)
        whole = record.feed(line) == COMPLETE
        if self._text_quotes and not (whole and len(record.fields) == max(len(self._names), 1)):
            return [_unquoted(part) for part in line.rstrip("\r\n").split(self._delimiter)]
        return record.fields if whole else None

    def _record(self, number: int, line: str) -> Iterator[RawRow | Dropped]:
        """The record that begins at `line`; several Dropped where it covers several lines and cannot be read."""
        if '"' in line and self._goes_on(line):
            yield from self._over_lines(number, line)
            return
        fields = self._fields(line)
        yield (
            Dropped(UNREADABLE, f"line {number}: text after a closing quote")
            if fields is None
            else self._row(fields, line, number)
        )

    def _goes_on(self, line: str) -> bool:
        if self._text_quotes and (not self._file.header or len(self._names) == 1):
            return False
        return _Record(self._delimiter).feed(line) == OPEN

    def _over_lines(self, number: int, line: str) -> Iterator[RawRow | Dropped]:
        record = _Record(self._delimiter)
        state, covered, length = record.feed(line), [(number, line)], 0
        while state == OPEN and length < LONGEST_FIELD:
            following = next(self._lines, None)
            if following is None:
                break
            covered.append(following)
            length += len(following[1])
            state = record.feed(following[1])
        later = covered[1:]
        exact = len(record.fields) == len(self._names)
        swallows = self._all_look_like_rows(later[:-1] if exact else later, SWALLOWED if exact else 1)
        if state == COMPLETE and not swallows and (exact or not self._text_quotes):
            self._account.no_rows += len(later)
            yield self._row(record.fields, "".join(text for _, text in covered), number)
        elif self._text_quotes:
            self._lines.put_back(later)
            yield self._row([_unquoted(part) for part in line.rstrip("\r\n").split(self._delimiter)], line, number)
        elif state == COMPLETE and exact:
            for place, _ in covered:
                yield Dropped(UNREADABLE, f"line {place}: in a field quoted from line {number} on, over whole rows")
        elif state == COMPLETE or (
            len(self._names) > 1
            and (state == OPEN or record.wrongly_closed_by_an_opening)
            and all(self._is_row(text) for _, text in later)
        ):
            self._lines.put_back(later)
            yield Dropped(UNREADABLE, f"line {number}: a quote opens here and is never closed")
        elif state == MISQUOTED:
            for place, _ in covered:
                yield Dropped(UNREADABLE, f"line {place}: in a field quoted from line {number} on, wrongly closed")
        else:
            raise DataError(f"{self._file.path}: a quote opens in line {number} and is never closed. Close it there.")

    def _is_row(self, line: str) -> bool:
        fields = self._fields(line)
        return not line.strip("\r\n") or (fields is not None and len(fields) == len(self._names))

    def _all_look_like_rows(self, lines: Sequence[tuple[int, str]], at_least: int) -> bool:
        """Are these lines, of a quoted field, so many and all like rows?"""
        enough = len(self._names) > 1 and len(lines) >= at_least
        return enough and all(self._looks_like_row(self._fields(text)) for _, text in lines)

    def _looks_like_row(self, fields: list[str] | None) -> bool:
        return (
            fields is not None
            and len(fields) == len(self._names)
            and all(cell.strip() and not cell.startswith(" ") for cell in fields)
        )

    def _row(self, fields: list[str], text: str, number: int) -> RawRow | Dropped:
        if holds_invalid_bytes(text):
            return Dropped(INVALID_BYTES, f"line {number}")
        names = self._names
        if len(fields) > len(names) and any(cell.strip() for cell in fields[len(names) :]):
            return Dropped(UNREADABLE, f"line {number}: {len(fields)} fields for {len(names)} names")
        if self._file.header and repeats_names(fields, names):
            return Dropped(UNREADABLE, f"line {number}: {NAMES_AGAIN}")
        return dict(zip_longest(names, fields[: len(names)]))


def column_names(cells: Sequence[Any], path: str) -> list[str]:
    """The names of a header, blank ones by their place; raises DataError where a name stands twice."""
    names = [str(cell).strip() if cell is not None else "" for cell in cells]
    names = [name or str(place) for place, name in enumerate(names)]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError(f"{path} has two columns named {twice!r}. Rename one of them.")
    return names


def repeats_names(cells: Sequence[Any], names: Sequence[str]) -> bool:
    """Is a row the line of names once more? Files that were joined end to end hold it again."""
    return len(names) > 1 and [str(cell).strip("\ufeff \t") for cell in cells] == list(names)


def _unquoted(part: str) -> str:
    """A TSV field without the quotes around it, where it is quoted as a whole; else as it is."""
    inner = part[1:-1]
    wholly = len(part) > 1 and part[0] == part[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if wholly else part
