"""Benchmark files as people publish them: any format that the readers know, with or without a header."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.readers.files import LocalFile
from mpodata.readers.formats import FORMATS
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped
from mpotrain.evaluation.benchmarks.columns import is_header

SUFFIXES = tuple(FORMATS)


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """The rows of one file or Hub dataset."""

    rows: list[dict[str, Any]]
    unreadable: int  # rows that could not be read; the results say how many
    provenance: dict[str, Any]


def read_table(upstream: Upstream, known: frozenset[str]) -> BenchmarkTable:
    """All rows of `upstream`; a first line without any of the `known` column names is data, not a header.

    Raises DataError for a missing, empty or unreadable file.
    """
    if LocalFile(upstream.path).suffix in {".csv", ".tsv", ".xlsx"} and not _has_header(upstream, known):
        upstream = replace(upstream, header=False)
    rows = list(upstream.rows())
    readable = [row for row in rows if not isinstance(row, Dropped)]
    if not readable:
        raise DataError(f"{upstream.path}: no readable rows in it.")
    return BenchmarkTable(readable, len(rows) - len(readable), upstream.provenance())


def _has_header(upstream: Upstream, known: frozenset[str]) -> bool:
    if not Path(upstream.path).is_file():
        return True  # reading it says what is wrong
    if LocalFile(upstream.path).suffix == ".xlsx":
        first_row = next((row for row in replace(upstream, header=False).rows() if not isinstance(row, Dropped)), {})
        return is_header([str(cell) for cell in first_row.values() if cell is not None], known)
    try:
        with LocalFile(upstream.path, upstream.encoding).text() as lines:
            first = lines.readline()
        return any(is_header(next(csv.reader([first], delimiter=mark), []), known) for mark in (",", ";", "\t"))
    except (UnicodeDecodeError, csv.Error):
        return True  # as above
