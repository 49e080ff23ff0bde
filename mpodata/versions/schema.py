"""The rows of a version: one Parquet schema for every config, and the record behind it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mpodata.errors import DataError, VersionError
from mpodata.records import Message, Quality, Side, assistant_turn, user_turn

SCHEMA_VERSION = 1  # of the columns below and of manifest.json; a change is a MAJOR version of every dataset

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_QUALITY_NAMES = tuple(field.name for field in fields(Quality))
MEASURED_NUMBERS = tuple(field.name for field in fields(Quality) if "float" in str(field.type))
_QUALITY = pa.struct(
    [(field.name, pa.float64() if field.name in MEASURED_NUMBERS else pa.string()) for field in fields(Quality)]
)

COLUMNS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("language", pa.string()),
        ("prompt", _MESSAGES),
        ("chosen", _MESSAGES),
        ("rejected", _MESSAGES),
        ("category", pa.string()),
        ("source_id", pa.string()),
        ("quality", _QUALITY),
    ]
)

# What makes equal rows equal bytes: fixed groups, codec and format, nothing of the clock. A group is what a reader
# holds in memory at once.
ROW_GROUP = 1000


NOT_MEASURED = Quality()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one config: a side with what identifies and measures it."""

    pair_id: str  # the same in every language
    side: Side
    category: str = ""
    source_id: str = ""
    quality: Quality = NOT_MEASURED


def columns_of(row: Row) -> dict[str, Any]:
    """`row` as one row of COLUMNS."""
    return {
        "pair_id": row.pair_id,
        "language": row.side.language,
        "prompt": user_turn(row.side.prompt),
        "chosen": assistant_turn(row.side.chosen),
        "rejected": assistant_turn(row.side.rejected),
        "category": row.category,
        "source_id": row.source_id,
        "quality": quality_values(row.quality),
    }


def quality_values(quality: Quality) -> dict[str, str | float | None]:
    """The fields of `quality`: what dataclasses.asdict gives, ten times as fast."""
    return {name: getattr(quality, name) for name in _QUALITY_NAMES}


def row_of(columns: dict[str, Any]) -> Row:
    """The record behind one row of COLUMNS."""
    side = Side(
        language=columns["language"],
        prompt=_text(columns["prompt"]),
        chosen=_text(columns["chosen"]),
        rejected=_text(columns["rejected"]),
    )
    quality = Quality(**(columns["quality"] or {}))
    return Row(columns["pair_id"], side, columns["category"], columns["source_id"], quality)


def _text(messages: Sequence[Message]) -> str:
    """The one turn of a column: this schema version stores single-turn pairs."""
    return messages[0]["content"]


def table_of(rows: Sequence[Row], where: str) -> pa.Table:
    """`rows` as a table of COLUMNS; raises DataError naming the row that cannot be stored."""
    for row in rows:
        _check_text(row, where)
    return pa.Table.from_pylist([columns_of(row) for row in rows], schema=COLUMNS)


def _check_text(row: Row, where: str) -> None:
    """NUL breaks readers in C, a lone surrogate has no UTF-8: both are cleaned before a version is written."""
    side = row.side
    texts = (row.pair_id, side.prompt, side.chosen, side.rejected, row.category, row.source_id)
    names = ("pair_id", "prompt", "chosen", "rejected", "category", "source_id")
    for name, text in zip(names, texts, strict=True):
        if not isinstance(text, str):
            raise DataError(f"{where}, row {row.pair_id}: {name} is {type(text).__name__}, not text.")
        if "\0" in text:
            raise DataError(f"{where}, row {row.pair_id}: {name} holds a NUL character. Clean the text first.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where}, row {row.pair_id}: {name} holds a lone surrogate at character {error.start}. "
                "Clean the text first."
            ) from error


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of one Parquet file in order, one row group in memory at a time."""
    for table in read_groups(path):
        for columns in table.to_pylist():
            yield row_of(columns)


def read_table(path: Path, **options: Any) -> pa.Table:
    """Some columns or rows of one Parquet file (pyarrow's `columns`, `filters`); raises VersionError."""
    try:
        return pq.read_table(path, **options)
    except (pa.ArrowInvalid, OSError) as error:
        raise VersionError(f"{path} cannot be read as Parquet: {error}".splitlines()[0]) from error


def read_groups(path: Path, columns: Iterable[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of one Parquet file of this schema; raises VersionError where it is none."""
    try:
        with pq.ParquetFile(path) as file:
            stored = file.schema_arrow.remove_metadata()
            if not stored.equals(COLUMNS):
                raise VersionError(
                    f"{path} does not have the columns of schema {SCHEMA_VERSION}: {differences(stored)}."
                )
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=None if columns is None else list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise VersionError(f"{path} cannot be read as Parquet: {error}".splitlines()[0]) from error


def differences(found: pa.Schema) -> str:
    """What sets `found` apart from COLUMNS, in words."""
    missing = [name for name in COLUMNS.names if name not in found.names]
    extra = [name for name in found.names if name not in COLUMNS.names]
    changed = [
        f"{name} is {found.field(name).type}"
        for name in COLUMNS.names
        if name in found.names and found.field(name).type != COLUMNS.field(name).type
    ]
    parts = [f"missing {', '.join(missing)}" if missing else "", f"extra {', '.join(extra)}" if extra else "", *changed]
    return "; ".join(part for part in parts if part) or "the columns stand in another order"
