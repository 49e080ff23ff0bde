"""Which reader reads a file: JSON, JSONL, CSV, TSV, Parquet, xlsx, told from its name.

A row that cannot be read comes as a Dropped in its place, and a reader asserts that it has accounted for every line. A
file that is not what its name says raises DataError.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mpodata.errors import DataError
from mpodata.readers.account import Account, RawRow
from mpodata.readers.columnar import parquet_rows, workbook_rows
from mpodata.readers.delimited import delimited_rows
from mpodata.readers.files import LocalFile
from mpodata.readers.json_rows import json_line_rows, json_rows
from mpodata.records import Dropped

__all__ = ["FORMATS", "Format", "RawRow", "file_rows"]


@dataclass(frozen=True)
class Format:
    """How files of one suffix are read."""

    rows: Callable[[LocalFile, Account], Iterator[RawRow | Dropped]]
    is_text: bool = True  # it has an encoding
    has_header: bool = False  # every row has the same columns


FORMATS: Final[Mapping[str, Format]] = {
    ".json": Format(json_rows),
    ".jsonl": Format(json_line_rows),
    ".ndjson": Format(json_line_rows),
    ".csv": Format(delimited_rows, has_header=True),
    ".tsv": Format(delimited_rows, has_header=True),
    ".parquet": Format(parquet_rows, is_text=False, has_header=True),
    ".xlsx": Format(workbook_rows, is_text=False, has_header=True),
}


def format_of(file: LocalFile) -> Format:
    """The format that a file's name says; raises DataError for one that is not known."""
    if file.suffix not in FORMATS:
        kind = file.suffix or "suffix-less"
        raise DataError(f"{file.path}: cannot tell what a {kind} file is. Known: {', '.join(sorted(FORMATS))}.")
    return FORMATS[file.suffix]


def file_rows(file: LocalFile) -> Iterator[RawRow | Dropped]:
    """Every row of a file in its order; raises DataError where the file as a whole cannot be read."""
    account = Account()
    try:
        yield from account.settled(format_of(file).rows(file, account))
    except UnicodeDecodeError as error:
        raise DataError(f"{file.path} is not {file.encoding}: byte {error.start:,} cannot be read.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file.path} is not a whole gzip file.") from error
    except OSError as error:
        raise DataError(f"{file.path} cannot be read: {error.strerror or error}.") from error
