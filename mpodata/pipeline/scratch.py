"""Scratch files between the stages of a build: rows as JSON lines, so that memory does not grow with the data."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mpodata.pipeline.results import Kept, Lost
from mpodata.records import Quality, Side, SourceRow
from mpodata.versions.schema import Row

T = TypeVar("T")


def source_line(row: SourceRow) -> str:
    """One source row as a line of JSON."""
    return json.dumps([getattr(row, name) for name in SourceRow.__slots__])


def source_row_of(line: str) -> SourceRow:
    """The source row behind a line."""
    return SourceRow(*json.loads(line))


def write_source_rows(path: Path, rows: Iterable[SourceRow]) -> int:
    """Write `rows`; returns how many there were."""
    with path.open("w", encoding="ascii") as lines:
        return sum(1 for row in rows if lines.write(source_line(row) + "\n"))


def read_source_rows(path: Path) -> Iterator[SourceRow]:
    with path.open(encoding="ascii") as lines:
        yield from map(source_row_of, lines)


def line_of(result: Kept | Lost) -> str:
    """One stage result as a line of JSON."""
    if isinstance(result, Lost):
        return json.dumps(asdict(result))
    row, side = result.row, result.row.side
    quality = [getattr(row.quality, name) for name in Quality.__slots__]
    fields = [result.split, result.flagged, row.pair_id, row.category, row.source_id]
    texts = [side.language, side.prompt, side.chosen, side.rejected, side.translators]
    return json.dumps([fields, texts, quality, row.estimates])


def result_of(line: str) -> Kept | Lost:
    """The stage result behind a line."""
    read = json.loads(line)
    if isinstance(read, dict):
        return Lost(**read)
    (split, flagged, pair_id, category, source_id), (*texts, translators), quality, estimates = read
    side = Side(*texts, translators=None if translators is None else tuple(translators))
    row = Row(pair_id, side, category, source_id, Quality(*quality), None if estimates is None else tuple(estimates))
    return Kept(split, row, flagged)


class KeptFile:
    """The kept rows of one config on disk, read as often as needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._lines = path.open("w", encoding="ascii")

    def write(self, one: Kept) -> None:
        self._lines.write(line_of(one) + "\n")
        self.rows += 1

    def close(self) -> None:
        self._lines.close()

    def read(self) -> Iterator[Kept]:
        """Every row, in the order written."""
        return self._read("")

    def _read(self, start: str) -> Iterator[Kept]:
        with self.path.open(encoding="ascii") as lines:
            for line in lines:
                if not line.startswith(start):
                    continue
                result = result_of(line)
                assert isinstance(result, Kept)  # only kept rows are written
                yield result

    def split(self, name: str) -> Iterator[Row]:
        """The rows of one split."""
        return (one.row for one in self._read(f'[["{name}", '))


def blocks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` rows, the last one shorter."""
    source = iter(rows)
    while block := list(islice(source, size)):
        yield block
