"""The rows of a version: one Parquet schema for every config, and the record behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mpodata.errors import DataError, VersionError
from mpodata.records import FIELDS, Message, Quality, Side, assistant_turn, user_turn

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

# Columns that only some configs have, after the others and in this order: each row of a file has one, or none has.
OPTIONAL_COLUMNS = {
    "translators": pa.struct([(name, pa.string()) for name in FIELDS]),  # who translated each field: "llm"
    "quality_estimation": pa.struct([(name, pa.float64()) for name in FIELDS]),  # scores without a reference
}

# The measured numbers of a split's summary: those of `quality`, and the estimates by field.
SUMMARISED_NUMBERS = (*MEASURED_NUMBERS, *(f"{name}_quality_estimation" for name in FIELDS))

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
    # Reference-free scores of prompt, chosen and rejected as translations, on the estimator's scale; None: not asked.
    estimates: tuple[float | None, float | None, float | None] | None = None


def optional_values(row: Row) -> dict[str, dict[str, Any]]:
    """The optional columns that a row has, with their values."""
    values = {"translators": row.side.translators, "quality_estimation": row.estimates}
    return {name: dict(zip(FIELDS, value, strict=True)) for name, value in values.items() if value is not None}


def schema_with(names: Iterable[str]) -> pa.Schema:
    """COLUMNS with those of OPTIONAL_COLUMNS that are among `names`."""
    wanted = set(names)
    extra = [pa.field(name, kind) for name, kind in OPTIONAL_COLUMNS.items() if name in wanted]
    return pa.schema([*COLUMNS, *extra])


def columns_of(row: Row) -> dict[str, Any]:
    """`row` as one row of COLUMNS, with the optional columns that it has."""
    return {
        "pair_id": row.pair_id,
        "language": row.side.language,
        "prompt": user_turn(row.side.prompt),
        "chosen": assistant_turn(row.side.chosen),
        "rejected": assistant_turn(row.side.rejected),
        "category": row.category,
        "source_id": row.source_id,
        "quality": quality_values(row.quality),
        **optional_values(row),
    }


def quality_values(quality: Quality) -> dict[str, str | float | None]:
    """The fields of `quality`: what dataclasses.asdict gives, ten times as fast."""
    return {name: getattr(quality, name) for name in _QUALITY_NAMES}


def row_of(columns: dict[str, Any]) -> Row:
    """The record behind one row of COLUMNS, with or without the optional ones."""
    side = Side(
        language=columns["language"],
        prompt=_text(columns["prompt"]),
        chosen=_text(columns["chosen"]),
        rejected=_text(columns["rejected"]),
        translators=_by_field(columns.get("translators")),
    )
    quality = Quality(**(columns["quality"] or {}))
    estimates = _by_field(columns.get("quality_estimation"))
    return Row(columns["pair_id"], side, columns["category"], columns["source_id"], quality, estimates)


def _by_field(values: Mapping[str, Any] | None) -> tuple[Any, Any, Any] | None:
    """The values of prompt, chosen and rejected."""
    return None if values is None else (values["prompt"], values["chosen"], values["rejected"])


def _text(messages: Sequence[Message]) -> str:
    """The one turn of a column: this schema version stores single-turn pairs."""
    return messages[0]["content"]


def table_of(rows: Sequence[Row], where: str, schema: pa.Schema = COLUMNS) -> pa.Table:
    """`rows` as a table of `schema` (see schema_with); raises DataError naming the row that cannot be stored."""
    wanted = {name for name in schema.names if name in OPTIONAL_COLUMNS}
    for row in rows:
        _check_text(row, where)
        if optional_values(row).keys() != wanted:
            raise DataError(
                f"{where}, row {row.pair_id}: of {', '.join(OPTIONAL_COLUMNS)} it has other columns than the first row."
            )
    return pa.Table.from_pylist([columns_of(row) for row in rows], schema=schema)


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
            if not stored.equals(schema_with(stored.names)):
                raise VersionError(
                    f"{path} does not have the columns of schema {SCHEMA_VERSION}: {differences(stored)}."
                )
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=None if columns is None else list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise VersionError(f"{path} cannot be read as Parquet: {error}".splitlines()[0]) from error


def differences(found: pa.Schema) -> str:
    """What sets `found` apart from COLUMNS and the optional ones, in words."""
    expected = schema_with(found.names)
    missing = [name for name in COLUMNS.names if name not in found.names]
    extra = [name for name in found.names if name not in expected.names]
    changed = [
        f"{name} is {found.field(name).type}"
        for name in expected.names
        if name in found.names and found.field(name).type != expected.field(name).type
    ]
    parts = [f"missing {', '.join(missing)}" if missing else "", f"extra {', '.join(extra)}" if extra else "", *changed]
    return "; ".join(part for part in parts if part) or "the columns stand in another order"
