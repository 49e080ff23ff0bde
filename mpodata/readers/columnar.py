"""Rows out of Parquet files and Excel workbooks."""

import zipfile
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

from mpodata.errors import DataError
from mpodata.readers.account import Account, RawRow
from mpodata.readers.delimited import NAMES_AGAIN, column_names, repeats_names
from mpodata.readers.files import LocalFile
from mpodata.readers.json_rows import INVALID_BYTES, UNREADABLE
from mpodata.records import Dropped

LARGEST_WORKBOOK: Final = 1 << 30  # bytes when unpacked; a larger one is a damaged or hostile file

# What openpyxl raises for a file that is no workbook, or a damaged one.
_BROKEN_WORKBOOK: Final = (
    zipfile.BadZipFile, zlib.error, ExpatError, SyntaxError, EOFError, OSError, KeyError, IndexError, ValueError,
    TypeError, AttributeError, NotImplementedError, RuntimeError,
)  # fmt: skip


def parquet_rows(file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    """Every row of a Parquet file; one whose values Python cannot hold is a Dropped."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _unzipped(file)
    try:
        with pq.ParquetFile(file.path) as table:
            column_names(table.schema_arrow.names, file.path)
            account.taken, read = table.metadata.num_rows, 0
            for batch in table.iter_batches(batch_size=1024):
                read += batch.num_rows
                yield from _batch_rows(batch, account)
            if read != account.taken:  # a flipped bit of a page's header can hide its rows from Arrow
                raise DataError(f"{file.path} is damaged: it says {account.taken} rows and holds {read}.")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{file.path} is not a whole Parquet file: {str(error).splitlines()[0]}") from error


def _batch_rows(batch: Any, account: Account) -> Iterator[RawRow | Dropped]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):  # UnicodeDecodeError is one: the rows are taken one at a time
        for place in range(batch.num_rows):
            yield _single_row(batch.slice(place, 1), f"row {account.given}")


def _single_row(batch: Any, place: str) -> RawRow | Dropped:
    try:
        row: RawRow = batch.to_pylist()[0]
    except UnicodeDecodeError:
        return Dropped(INVALID_BYTES, place)
    except (ValueError, OverflowError) as error:
        return Dropped(UNREADABLE, f"{place}: a {type(error).__name__}")
    return row


def workbook_rows(file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    """The rows of the one sheet of an Excel workbook that has any, under the names of its first row with cells.

    Formulas give the value stored with them; cells in error (#REF!) are None.
    """
    import openpyxl

    _unzipped(file)
    try:
        with zipfile.ZipFile(file.path) as parts:
            if sum(part.file_size for part in parts.infolist()) > LARGEST_WORKBOOK:
                raise DataError(f"{file.path} holds more than 1 GiB when unpacked. Save it as CSV or Parquet.")
        workbook = openpyxl.load_workbook(file.path, read_only=True, data_only=True, keep_links=False)
        yield from _sheet_rows(workbook, file, account)
    except _BROKEN_WORKBOOK as error:
        raise DataError(f"{file.path} is not a whole Excel workbook ({type(error).__name__}).") from error


def _sheet_rows(workbook: Any, file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    filled = [sheet for sheet in workbook.worksheets if any(any(cells) for cells in _cells(sheet))]
    if len(filled) > 1:
        titles = ", ".join(sheet.title for sheet in filled)
        raise DataError(f"{file.path} has {len(filled)} sheets with rows ({titles}). Save the one to read as a file.")
    names: list[str] = []
    for number, cells in enumerate(_cells(filled[0]) if filled else (), start=1):
        account.taken += 1
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            account.no_rows += 1
        elif not names:
            names = column_names(cells, file.path) if file.header else [str(place) for place in range(len(cells))]
            if file.header:
                account.no_rows += 1
            else:
                yield dict(zip(names, cells, strict=True))
        elif len(cells) > len(names):
            yield Dropped(UNREADABLE, f"row {number}: {len(cells)} cells for {len(names)} names")
        elif file.header and repeats_names(cells, names):
            yield Dropped(UNREADABLE, f"row {number}: {NAMES_AGAIN}")
        else:
            yield dict(zip_longest(names, cells))


def _cells(sheet: Any) -> Iterator[list[Any]]:
    """The values of each row of a sheet."""
    sheet.reset_dimensions()  # what a file says of its own size may be wrong
    for row in sheet.iter_rows():
        yield [None if cell.data_type == "e" else cell.value for cell in row]


def _unzipped(file: LocalFile) -> None:
    if file.zipped:
        raise DataError(f"{file.path}: unpack it first (gunzip {Path(file.path).name}).")
