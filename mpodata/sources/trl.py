"""Any preference dataset in TRL's types: prompt, chosen, rejected as text or as messages, the prompt possibly implicit.

Implicit prompts (chosen and rejected are whole conversations) are read off the turns the two share; LLaMA-Factory's
sharegpt layout (conversations, chosen, rejected) is read too. A pair has one user turn: rows with more, or with a
system turn before it, are dropped as `multi-turn`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mpodata.errors import DataError
from mpodata.readers.cells import MENDED
from mpodata.readers.kinds import kind_column
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Kind, SourceRow
from mpodata.sources.exchange import other_language, preference, row_kind, sharegpt
from mpodata.sources.rows import place_of, source_row


def trl(
    *,
    path: str,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    kind: Kind = "harmful",
    dominant: str | None = None,
) -> "TrlPreferences":
    """A TRL preference dataset: a local file or a Hub id.

    kind: what rows are where no column (`kind`, `label`, ...) says it. dominant: the language that rows must be in
    where a column names one; by default rows of every language are read.
    """
    return TrlPreferences(Upstream(path, split, config, revision), licence, kind, dominant)


@dataclass(frozen=True)
class TrlPreferences:
    """Rows of a TRL preference dataset."""

    upstream: Upstream
    licence: str | None
    kind: Kind = "harmful"
    dominant: str | None = None

    def rows(self) -> Iterator[SourceRow | Dropped]:
        if not {"chosen", "rejected"} <= set(self.upstream.columns):
            raise DataError(
                f"{self.upstream.path} is no TRL preference dataset: it needs chosen and rejected; "
                f"its columns: {', '.join(self.upstream.columns)}."
            )
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else self._row(row, f"row-{number}")

    @cached_property
    def _kind_column(self) -> str | None:
        return kind_column(self.upstream.columns)

    def _row(self, row: RawRow, source_id: str) -> SourceRow | Dropped:
        exchange = sharegpt(row) if "conversations" in row and "prompt" not in row else preference(row)
        kind = row_kind(row, self._kind_column, self.kind)
        unfit = other_language(row, self.dominant)
        for fault in (unfit, exchange, kind):
            if isinstance(fault, Dropped):
                return place_of(fault, source_id)
        prompt, chosen, rejected = exchange  # type: ignore[misc]
        return source_row(
            prompt,
            rejected,
            chosen,
            source_id=source_id,
            category=row.get("category"),
            kind=kind,  # type: ignore[arg-type]
            needs_unsafe=kind == "harmful",
        )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "trl",
            **self.upstream.provenance(),
            "licence": self.licence,
            "cleaning": MENDED,
            "parallel": False,
        }
