"""HH-RLHF (Bai et al. 2022, arXiv 2204.05862, MIT): two transcripts per row that differ in the last answer.

`rejected` is what annotators liked less, which is not always unsafe; the card says so. Only exchanges of one question
and one answer are used: rows with more turns are dropped as `multi-turn`, rows whose two prompts differ as
`different-prompts`, because a pair has one user turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.readers.cells import MENDED
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.exchange import transcript
from mpodata.sources.rows import source_row

HUB_ID: Final = "Anthropic/hh-rlhf"


def hh_rlhf(
    *, path: str = HUB_ID, split: str | None = None, config: str | None = None, revision: str | None = None
) -> "HhRlhf":
    """HH-RLHF by its Hub id or from a local file (`harmless-base/train.jsonl.gz` holds the harmful requests)."""
    return HhRlhf(Upstream(path, split, config, revision))


@dataclass(frozen=True)
class HhRlhf:
    """The single-turn rows of HH-RLHF."""

    upstream: Upstream

    def rows(self) -> Iterator[SourceRow | Dropped]:
        if not {"chosen", "rejected"} <= set(self.upstream.columns):
            raise DataError(
                f"{self.upstream.path} is not HH-RLHF: it needs chosen and rejected; "
                f"its columns: {', '.join(self.upstream.columns)}."
            )
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else _row(row, f"row-{number}")

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "hh-rlhf",
            **self.upstream.provenance(),
            "rule": "single-turn rows; rejected = what annotators liked less, not always unsafe",
            "licence": "mit",
            **({"languages": ["en"]} if self.upstream.is_hub else {}),  # a file may be a translation
            "cleaning": MENDED,
            "parallel": False,
        }


def _row(row: RawRow, source_id: str) -> SourceRow | Dropped:
    exchanges = []
    for column in ("chosen", "rejected"):
        turns = transcript(row.get(column))
        if turns is None:
            return Dropped("not-a-transcript", f"{source_id}: {column}")
        if [role for role, _ in turns] != ["user", "assistant"]:
            return Dropped("multi-turn", source_id)
        exchanges.append((turns[0][1], turns[1][1]))
    (prompt, safe), (other, unsafe) = exchanges
    if prompt != other:
        return Dropped("different-prompts", source_id)
    return source_row(prompt, unsafe, safe, source_id=source_id, needs_unsafe=True)
