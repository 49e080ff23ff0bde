"""The prompts of the pocket world (`mpodata/pocket/`): harmless and mildly harmful requests of our own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mpodata.errors import UnknownName
from mpodata.pocket import prompts_path
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped, Kind, SourceRow
from mpodata.sources.rows import source_row

PROMPTS: Final = prompts_path()


def pocket(*, kind: Kind | None = None) -> "PocketPrompts":
    """Harmful rows with their unsafe answer and harmless rows; `kind` keeps one of the two."""
    if kind not in (None, "harmful", "harmless"):
        raise UnknownName("kind", str(kind), ("harmful", "harmless"))
    return PocketPrompts(Upstream(str(PROMPTS)), kind)


@dataclass(frozen=True)
class PocketPrompts:
    """Columns of the file: prompt, unsafe_response, category (harmful or harmless), topic."""

    upstream: Upstream
    kind: Kind | None

    def rows(self) -> Iterator[SourceRow | Dropped]:
        for number, row in enumerate(self.upstream.rows()):
            if isinstance(row, Dropped):
                yield row
            elif self.kind in (None, row["category"]):
                yield source_row(
                    row["prompt"],
                    row.get("unsafe_response"),
                    source_id=f"row-{number}",
                    category=row.get("topic"),
                    kind=row["category"],
                    needs_unsafe=row["category"] == "harmful",
                )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "pocket",
            **self.upstream.provenance(),
            "kind": self.kind or "both",
            "licence": "apache-2.0",
            "languages": ["en"],
            "parallel": False,
        }
