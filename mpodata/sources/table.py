"""Any table: a local file (JSON, JSONL, CSV, TSV, Parquet, xlsx) or a Hub dataset, and a map from fields to columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from mpodata.errors import DataError, UnknownName
from mpodata.readers.cells import MENDED
from mpodata.readers.kinds import KIND_COLUMNS, is_unlabelled, kind_column
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Kind, SourceRow
from mpodata.sources.exchange import (
    answer_to,
    joined_prompt,
    other_language,
    row_kind,
    single_prompt,
    unused_meaning,
)
from mpodata.sources.rows import place_of, source_row

# What each field's column is usually called; the first that exists is taken where no map names one.
USUAL_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "prompt": ("prompt", "question", "instruction", "query", "goal", "behavior", "user", "input", "text"),
    "unsafe": ("rejected", "unsafe", "unsafe_response", "rejected_response", "response_rejected"),
    "safe": ("chosen", "safe", "safe_response", "chosen_response", "response_chosen"),
    "category": ("category", "harm_category", "topic", "type", "tags"),
    "id": ("id", "row_id", "uid", "prompt_id"),
    "kind": KIND_COLUMNS,
}
_ALIASES: Final = {"rejected": "unsafe", "chosen": "safe", "source_id": "id"}


def table(
    *,
    path: str,
    columns: Mapping[str, str | int] | None = None,
    kind: Kind = "harmful",
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    licence: str | None = None,
    dominant: str | None = None,
) -> "TableSource":
    """Rows of `path`, a file or a Hub dataset id.

    `columns` maps prompt, unsafe (or rejected), safe (or chosen), category, id and kind to the table's own names (or
    numbers, for a file without header); what it leaves out is looked for under its usual names. `kind` says what the
    rows of a table without a kind column are. `dominant`: the language that rows must be in where a column names
    one; by default rows of every language are read. An instruction's `input` column is its next line.
    """
    if kind not in ("harmful", "harmless"):
        raise UnknownName("kind", kind, ("harmful", "harmless"))
    wanted: dict[str, str] = {}
    for name, column in (columns or {}).items():
        field = _ALIASES.get(name, name)
        if field not in USUAL_COLUMNS:
            raise UnknownName("field in the column map:", name, (*USUAL_COLUMNS, *_ALIASES))
        wanted[field] = str(column)
    return TableSource(Upstream(path, split, config, revision, encoding, header), wanted, kind, licence, dominant)


@dataclass(frozen=True)
class TableSource:
    """A table with its column map."""

    upstream: Upstream
    wanted: Mapping[str, str]  # field -> column, as the user gave it
    kind: Kind
    licence: str | None
    dominant: str | None = None

    def rows(self) -> Iterator[SourceRow | Dropped]:
        columns = self.columns
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else self._row(row, number, columns)

    @cached_property
    def columns(self) -> dict[str, str]:
        """field -> column; raises DataError naming the columns that exist when one is missing."""
        existing = self.upstream.columns
        for field, column in self.wanted.items():
            if column not in existing:
                raise DataError(
                    f"{self.upstream.path} has no column {column!r} for {field}. Its columns: {', '.join(existing)}."
                )
        mapping = dict(self.wanted)
        by_name = {name.strip().casefold(): name for name in reversed(existing)}
        for field, usual in USUAL_COLUMNS.items():
            likely = next(
                (by_name[name] for name in usual if by_name.get(name, "") not in {"", *mapping.values()}), None
            )
            if field not in mapping and likely:
                mapping[field] = likely
        labels = kind_column(existing)
        if "kind" not in mapping and labels is not None and labels not in mapping.values():
            mapping["kind"] = labels
        if "prompt" not in mapping:
            raise DataError(
                f"{self.upstream.path} has no column that looks like the prompt. Its columns: {', '.join(existing)}. "
                "Name it: --source-columns prompt=COLUMN"
            )
        return mapping

    def _row(self, row: RawRow, number: int, columns: Mapping[str, str]) -> SourceRow | Dropped:
        cells = {field: row.get(column) for field, column in columns.items()}
        upstream_id = cells.get("id")
        nested_or_blank = isinstance(upstream_id, list | dict) or is_unlabelled(upstream_id)
        place = f"row-{number}" if nested_or_blank else str(upstream_id)[:200]
        prompt, joined = self._prompt(row, columns["prompt"])
        kind = row_kind(row, columns.get("kind"), self.kind)
        used = {*joined, *columns.values()}
        safe, unsafe = (answer_to(prompt, cells.get(name)) for name in ("safe", "unsafe"))
        for fault in (other_language(row, self.dominant), prompt, unused_meaning(row, used), kind, safe, unsafe):
            if isinstance(fault, Dropped):
                return place_of(fault, f"row-{number}")
        return source_row(
            prompt,
            unsafe,
            safe,
            source_id=place,
            category=cells.get("category"),
            kind=kind,  # type: ignore[arg-type]
            needs_unsafe="unsafe" in columns and kind == "harmful",
        )

    def _prompt(self, row: RawRow, column: str) -> tuple[Any, tuple[str, ...]]:
        """The prompt, and the columns beside its own that it takes in: an instruction's input (alpaca)."""
        if column.strip().casefold() == "instruction":
            return joined_prompt(row.get(column), row.get("input")), ("input",)
        return single_prompt(row.get(column)), ()

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "table",
            **self.upstream.provenance(),
            "columns": self.columns,
            "licence": self.licence,
            "cleaning": MENDED,
            "parallel": False,
        }
