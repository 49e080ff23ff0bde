"""Any table: a local JSON, JSONL, CSV, TSV or Parquet file, or a Hub dataset, with a map from fields to columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from mpodata.errors import DataError, UnknownName
from mpodata.readers.cells import MENDED
from mpodata.readers.conversation import answer_text, prompt_text
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Kind, SourceRow
from mpodata.sources.rows import source_row

# What each field's column is usually called; the first that exists is taken where no map names one.
USUAL_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "prompt": ("prompt", "question", "instruction", "query", "goal", "user", "input", "text"),
    "unsafe": ("rejected", "unsafe", "unsafe_response", "rejected_response", "response_rejected"),
    "safe": ("chosen", "safe", "safe_response", "chosen_response", "response_chosen"),
    "category": ("category", "harm_category", "topic", "type", "tags"),
    "id": ("id", "row_id", "uid", "prompt_id"),
    "kind": ("kind",),
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
) -> "TableSource":
    """Rows of `path`, a file or a Hub dataset id.

    `columns` maps prompt, unsafe (or rejected), safe (or chosen), category, id and kind to the table's own names (or
    numbers, for a file without header); what it leaves out is looked for under its usual names. `kind` says what rows
    without a kind column are.
    """
    if kind not in ("harmful", "harmless"):
        raise UnknownName("kind", kind, ("harmful", "harmless"))
    wanted: dict[str, str] = {}
    for name, column in (columns or {}).items():
        field = _ALIASES.get(name, name)
        if field not in USUAL_COLUMNS:
            raise UnknownName("field in the column map:", name, (*USUAL_COLUMNS, *_ALIASES))
        wanted[field] = str(column)
    return TableSource(Upstream(path, split, config, revision, encoding, header), wanted, kind, licence)


@dataclass(frozen=True)
class TableSource:
    """A table with its column map."""

    upstream: Upstream
    wanted: Mapping[str, str]  # field -> column, as the user gave it
    kind: Kind
    licence: str | None

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
        found = dict(self.wanted)
        for field, usual in USUAL_COLUMNS.items():
            likely = next((name for name in usual if name in existing and name not in found.values()), None)
            if field not in found and likely:
                found[field] = likely
        if "prompt" not in found:
            raise DataError(
                f"{self.upstream.path} has no column that looks like the prompt. Its columns: {', '.join(existing)}. "
                "Name it: --source-columns prompt=COLUMN"
            )
        return found

    def _row(self, row: RawRow, number: int, columns: Mapping[str, str]) -> SourceRow | Dropped:
        cells = {field: row.get(column) for field, column in columns.items()}
        kind = cells.get("kind", self.kind)
        if kind not in ("harmful", "harmless"):
            return Dropped("unknown-kind", f"row-{number}: kind must be harmful or harmless")
        upstream_id = cells.get("id")
        return source_row(
            prompt_text(cells["prompt"]),
            answer_text(cells.get("unsafe")),
            answer_text(cells.get("safe")),
            source_id=f"row-{number}" if upstream_id is None else str(upstream_id)[:200],
            category=cells.get("category"),
            kind=kind,
            needs_unsafe="unsafe" in columns and kind == "harmful",
        )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "table",
            **self.upstream.provenance(),
            "columns": self.columns,
            "licence": self.licence,
            "cleaning": MENDED,
            "parallel": False,
        }
