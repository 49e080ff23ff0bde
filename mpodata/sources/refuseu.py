"""RefusEU (Krasnodebska et al., ACL Findings 2026, arXiv 2606.07535): refusal pairs in twelve European languages.

**Its rows are not parallel.** Rows that share a row_id in two languages are not translations of each other, so they
cannot serve as MPO pairs as they are: this source reads one language (the dominant one), which the build translates.

The published columns are chosen, rejected (lists of turns that begin with the user's), lang, id, row_id and category:
the prompt is the user's turn of both. A file with a prompt column of its own is read as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from mpodata.errors import DataError, RecipeError, UnknownName
from mpodata.readers.cells import MENDED
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.exchange import other_language, preference
from mpodata.sources.rows import place_of, source_row

HUB_ID: Final = "NASK-PIB/RefusEU"
LANGUAGES: Final = ("en", "de", "it", "fr", "es", "pt", "pl", "cs", "sk", "sl", "lt", "lv")
NOT_PARALLEL: Final = "rows that share a row_id are not translations of each other"

# The fields and the names their columns go by, first match wins.
_COLUMNS: Final = {
    "prompt": ("prompt", "question", "instruction"),
    "chosen": ("chosen", "safe_response", "chosen_response"),
    "rejected": ("rejected", "unsafe_response", "rejected_response"),
    "category": ("category", "hazard_category", "hazard", "harm_category"),
    "style": ("style", "attack_style", "attack"),
    "language": ("language", "lang"),
    "id": ("row_id", "id"),
}


def refuseu(
    *,
    path: str = HUB_ID,
    language: str | None = None,
    dominant: str = "en",
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
) -> "RefusEU":
    """One language of RefusEU by its Hub id (config `lang_xx`) or from a local file (its rows in `language`).

    `language` is by default the dominant one of the build.

    The `evaluation` config has prompts to measure with; training on it is refused.
    """
    language = language or dominant
    if language not in LANGUAGES:
        raise UnknownName("language of RefusEU:", language, LANGUAGES)
    if config == "evaluation":
        raise RecipeError(
            "RefusEU's config 'evaluation' is for measuring. Use 'multilingual' or 'lang_xx' to build from."
        )
    if path == HUB_ID and config is None:
        config = f"lang_{language}"
    return RefusEU(Upstream(path, split, config, revision), language)


@dataclass(frozen=True)
class RefusEU:
    """The rows of one language."""

    upstream: Upstream
    language: str

    @cached_property
    def columns(self) -> dict[str, str]:
        """field -> column; raises DataError when chosen or rejected cannot be found."""
        existing = self.upstream.columns
        mapping = {
            field: next((name for name in names if name in existing), None) for field, names in _COLUMNS.items()
        }  # fmt: skip
        missing = [field for field in ("chosen", "rejected") if mapping[field] is None]
        if missing:
            raise DataError(
                f"{self.upstream.path} has no column for {', '.join(missing)}; its columns: {', '.join(existing)}. "
                "Any other table: --set source.name=table --source-columns ..."
            )
        return {field: column for field, column in mapping.items() if column is not None}

    def rows(self) -> Iterator[SourceRow | Dropped]:
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else self._row(row, number)

    def _row(self, row: RawRow, number: int) -> SourceRow | Dropped:
        cells = {field: row.get(column) for field, column in self.columns.items()}
        unfit = other_language({"language": cells.get("language")}, self.language)
        exchange = preference({name: cells.get(name) for name in ("prompt", "chosen", "rejected")})
        for fault in (unfit, exchange):
            if isinstance(fault, Dropped):
                return place_of(fault, f"row-{number}")
        prompt, chosen, rejected = exchange  # type: ignore[misc]
        styled = [str(cells[name]) for name in ("category", "style") if cells.get(name) is not None]
        return source_row(
            prompt,
            rejected,
            chosen,
            source_id=f"row-{number}",  # row_id repeats, so it names nothing
            category="/".join(styled),
            needs_unsafe=True,
        )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "refuseu",
            **self.upstream.provenance(),
            "languages": [self.language],
            "licence": None,
            "cleaning": MENDED,
            "parallel": False,
            "warning": NOT_PARALLEL,
        }
