"""BeaverTails (Ji et al. 2023, arXiv 2307.04657, CC-BY-NC-4.0): one answer per row, labelled safe or not.

Rows with an unsafe answer are used, without a safe one (`--chosen policy`); rows with a safe answer are dropped as
`safe-answer`: the dataset does not say which unsafe answer they would stand against.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.readers.cells import MENDED
from mpodata.readers.kinds import kind_of
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.rows import source_row

HUB_ID: Final = "PKU-Alignment/BeaverTails"
COLUMNS: Final = ("prompt", "response", "is_safe")


def beavertails(*, path: str = HUB_ID, split: str | None = None, revision: str | None = None) -> "BeaverTails":
    """BeaverTails by its Hub id (splits 30k_train, 330k_train, 30k_test, 330k_test) or from a local file."""
    if path == HUB_ID and split is None:
        split = "330k_train"
    return BeaverTails(Upstream(path, split=split, revision=revision))


@dataclass(frozen=True)
class BeaverTails:
    """The unsafe rows of BeaverTails."""

    upstream: Upstream

    def rows(self) -> Iterator[SourceRow | Dropped]:
        missing = [name for name in COLUMNS if name not in self.upstream.columns]
        if missing:
            raise DataError(
                f"{self.upstream.path} is not BeaverTails: it lacks {', '.join(missing)}; "
                f"its columns: {', '.join(self.upstream.columns)}."
            )
        for number, row in enumerate(self.upstream.rows()):
            source_id = f"row-{number}"
            if isinstance(row, Dropped):
                yield row
            elif (label := kind_of(row.get("is_safe"), "is_safe")) is None:
                yield Dropped("unlabelled", f"{source_id}: is_safe must be true or false")
            elif label == "harmless":
                yield Dropped("safe-answer", source_id)
            else:
                yield source_row(
                    row.get("prompt"),
                    row.get("response"),
                    source_id=source_id,
                    category=row.get("category"),
                    needs_unsafe=True,
                )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "beavertails",
            **self.upstream.provenance(),
            "rule": "unsafe answers become rejected; safe answers are dropped",
            "licence": "cc-by-nc-4.0",
            **({"languages": ["en"]} if self.upstream.is_hub else {}),  # a file may be a translation
            "cleaning": MENDED,
            "parallel": False,
        }


def answered(row: RawRow) -> tuple[Any, Any, Any] | Dropped:
    """(prompt, safe answer, unsafe answer) of a row, as an audit reads it: one of the two answers is None."""
    label = kind_of(row.get("is_safe"), "is_safe")
    if label is None:
        return Dropped("unlabelled")
    answer = row.get("response")
    return (row.get("prompt"), answer, None) if label == "harmless" else (row.get("prompt"), None, answer)
