"""Any preference dataset in TRL's types: prompt, chosen, rejected as text or as messages, the prompt possibly implicit.

Implicit prompts (chosen and rejected are whole conversations) are read off the turns the two share. A pair has one user
turn: rows with more, or with a system turn before it, are dropped as `multi-turn`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mpodata.errors import DataError
from mpodata.readers.cells import MENDED
from mpodata.readers.conversation import turns
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Kind, SourceRow
from mpodata.sources.rows import source_row


def trl(
    *,
    path: str,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    kind: Kind = "harmful",
) -> "TrlPreferences":
    """A TRL preference dataset: a local file or a Hub id. kind: what all its prompts are."""
    return TrlPreferences(Upstream(path, split, config, revision), licence, kind)


@dataclass(frozen=True)
class TrlPreferences:
    """Rows of a TRL preference dataset."""

    upstream: Upstream
    licence: str | None
    kind: Kind = "harmful"

    def rows(self) -> Iterator[SourceRow | Dropped]:
        if not {"chosen", "rejected"} <= set(self.upstream.columns):
            raise DataError(
                f"{self.upstream.path} is no TRL preference dataset: it needs chosen and rejected; "
                f"its columns: {', '.join(self.upstream.columns)}."
            )
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else _row(row, f"row-{number}", self.kind)

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "trl",
            **self.upstream.provenance(),
            "licence": self.licence,
            "cleaning": MENDED,
            "parallel": False,
        }


def _row(row: RawRow, source_id: str, kind: Kind) -> SourceRow | Dropped:
    exchange = preference(row)
    if isinstance(exchange, Dropped):
        return Dropped(exchange.reason, source_id)
    prompt, chosen, rejected = exchange
    return source_row(
        prompt,
        rejected,
        chosen,
        source_id=source_id,
        category=row.get("category"),
        kind=kind,
        needs_unsafe=kind == "harmful",
    )


def preference(row: RawRow) -> tuple[Any, Any, Any] | Dropped:
    """(prompt, chosen, rejected) texts of one row of any TRL preference type."""
    before = turns(row.get("prompt"))
    chosen, rejected = turns(row.get("chosen")), turns(row.get("rejected"))
    if chosen is None or rejected is None:
        if before is None:
            return row.get("prompt"), row.get("chosen"), row.get("rejected")
        answers = row.get("chosen"), row.get("rejected")
    else:
        shared = 0
        while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
            shared += 1
        if len(chosen) != shared + 1 or len(rejected) != shared + 1:
            return Dropped("multi-turn")
        answers = chosen[-1][1], rejected[-1][1]
        if shared:
            before = [*(before or []), *chosen[:shared]]
    if before is None:
        return row.get("prompt"), *answers
    if [role for role, _ in before] != ["user"]:
        return Dropped("multi-turn")
    return before[0][1], *answers
