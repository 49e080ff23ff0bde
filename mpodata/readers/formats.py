"""The rows of a local file, one at a time: JSON, JSONL, CSV, TSV, Parquet.

A row that cannot be read (a broken JSON line, a line with too many fields) comes as a Dropped in its place. A file that
is not what its name says raises DataError.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import IO, Any, Final

from mpodata.errors import DataError
from mpodata.readers.files import CHUNK, LocalFile
from mpodata.records import Dropped

RawRow = dict[str, Any]


def _json_lines(file: LocalFile) -> Iterator[RawRow | Dropped]:
    with file.text() as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _json_row(line, number)


def _json_row(line: str, number: int) -> RawRow | Dropped:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return Dropped("unreadable-row", f"line {number}: {error.msg}")
    return row if isinstance(row, dict) else Dropped("unreadable-row", f"line {number}: not an object")


def _json_rows(file: LocalFile) -> Iterator[RawRow | Dropped]:
    """A JSON array of objects (streamed), an object holding one, or an object of equally long columns."""
    with file.text() as text:
        head = text.read(CHUNK)
        opening = head.lstrip()[:1]
        if opening == "[":
            yield from _array(text, head, file.path)
            return
        if opening == "{" and _is_json_lines(head):  # JSONL under the name .json, as the Hub has many
            yield from _json_lines(file)
            return
        try:
            whole = json.loads(head + text.read())
        except json.JSONDecodeError as error:
            raise DataError(f"{file.path} is not JSON: {error}.") from error
    yield from _object_rows(whole, file.path)


def _is_json_lines(head: str) -> bool:
    first, newline, _ = head.lstrip().partition("\n")
    if not newline:
        return False
    try:
        return isinstance(json.loads(first), dict)
    except json.JSONDecodeError:
        return False


def _array(text: IO[str], buffer: str, path: str) -> Iterator[RawRow | Dropped]:
    """The elements of a JSON array, decoded as they arrive; memory holds the longest one."""
    decoder = json.JSONDecoder()
    position = buffer.index("[") + 1
    number = 0
    while True:
        while position < len(buffer) and buffer[position] in " \t\r\n,":
            position += 1
        if position < len(buffer) and buffer[position] == "]":
            return
        try:
            value, position = decoder.raw_decode(buffer, position)
        except json.JSONDecodeError as error:
            more = text.read(max(CHUNK, len(buffer)))
            if not more:
                raise DataError(
                    f"{path} is not a whole JSON array: row {number} cannot be read ({error.msg})."
                ) from error
            buffer, position = buffer[position:] + more, 0
            continue
        yield value if isinstance(value, dict) else Dropped("unreadable-row", f"row {number}: not an object")
        number += 1


def _object_rows(whole: Any, path: str) -> Iterator[RawRow | Dropped]:
    lists = {key: value for key, value in whole.items() if isinstance(value, list)} if isinstance(whole, dict) else {}
    tables = [value for value in lists.values() if value and all(isinstance(row, dict) for row in value)]
    if len(tables) == 1:
        yield from tables[0]
    elif lists and len(lists) == len(whole) and len({len(value) for value in lists.values()}) == 1:
        yield from (dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True))
    elif isinstance(whole, dict) and whole and not lists:
        yield whole
    else:
        raise DataError(f"{path} holds no table: expected a JSON array of objects, or an object that holds one.")


def _csv_rows(file: LocalFile) -> Iterator[RawRow | Dropped]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # Python's limit of 128 KiB would raise mid-file
    with file.text() as lines:
        first = lines.readline()
        dialect = _dialect(first, file.suffix, header=file.header)
        reader = csv.reader(chain([first], lines), **dialect)
        names = next(reader, []) if file.header else [str(i) for i in range(len(next(csv.reader([first], **dialect))))]
        try:
            for values in reader:
                if not values:
                    continue
                if len(values) > len(names):
                    yield Dropped(
                        "unreadable-row", f"line {reader.line_num}: {len(values)} fields for {len(names)} names"
                    )
                else:
                    yield dict(zip(names, values + [None] * (len(names) - len(values)), strict=True))
        except csv.Error as error:
            raise DataError(f"{file.path}, line {reader.line_num}: {error}.") from error


def _dialect(first: str, suffix: str, *, header: bool) -> dict[str, Any]:
    """Comma, semicolon or tab, by the name of the file and its first line."""
    if suffix == ".tsv" or ("\t" in first and "," not in first):
        # Files without a header (MGSM) come from plain joins, where a quote is just a character.
        return {"delimiter": "\t"} | ({} if header else {"quoting": csv.QUOTE_NONE})
    return {"delimiter": ";" if first.count(";") > first.count(",") else ","}


def _parquet_rows(file: LocalFile) -> Iterator[RawRow | Dropped]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file.path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{file.path} is not a Parquet file: {error}.") from error
    with table:
        for batch in table.iter_batches(batch_size=1024):
            yield from batch.to_pylist()


FORMATS: Final[Mapping[str, Callable[[LocalFile], Iterator[RawRow | Dropped]]]] = {
    ".json": _json_rows,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".parquet": _parquet_rows,
}
