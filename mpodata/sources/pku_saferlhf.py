"""PKU-SafeRLHF (Ji et al. 2024, arXiv 2406.15513, CC-BY-NC-4.0): from the Hub or a local file.

Two schemas are read:
- the dataset's own: prompt, response_0, response_1, is_response_0_safe, is_response_1_safe, safer_response_id, ...;
- files derived from it: prompt, response = [safer, less safe].

One rule says what each row is worth:
- one safe, one unsafe answer: the unsafe one becomes `rejected`, the safe one the source's own `chosen`;
- both unsafe: the less safe one becomes `rejected`; there is no safe answer, so the row serves an on-policy refusal
  (`--chosen policy`) only. `both_unsafe="drop"` leaves such rows out;
- both safe: dropped as `both-safe`, there is nothing to unlearn;
- derived files carry no safety labels: their less safe answer is taken as unsafe, their safer one as safe.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from mpodata.errors import DataError, UnknownName
from mpodata.readers.cells import MENDED
from mpodata.readers.kinds import kind_of
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.rows import category_name, source_row

HUB_ID: Final = "PKU-Alignment/PKU-SafeRLHF"
LICENCE: Final = "cc-by-nc-4.0"
REAL_COLUMNS: Final = ("prompt", "response_0", "response_1", "is_response_0_safe", "is_response_1_safe")
DERIVED_COLUMNS: Final = ("prompt", "response")
RULE: Final = "rejected = the unsafe answer, of two unsafe ones the less safe; both-safe rows dropped"


def pku_saferlhf(
    *,
    path: str = HUB_ID,
    both_unsafe: Literal["keep", "drop"] = "keep",
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> "PkuSafeRLHF":
    """PKU-SafeRLHF by its Hub id (the default) or from a local file in either schema."""
    if both_unsafe not in ("keep", "drop"):
        raise UnknownName("value of both_unsafe:", both_unsafe, ("keep", "drop"))
    return PkuSafeRLHF(Upstream(path, split, config, revision), both_unsafe == "keep")


def is_real(columns: list[str]) -> bool:
    return set(REAL_COLUMNS) <= set(columns)


def is_derived(columns: list[str]) -> bool:
    return set(DERIVED_COLUMNS) == set(columns)


@dataclass(frozen=True)
class PkuSafeRLHF:
    """The rows of PKU-SafeRLHF under the rule at the top of this file."""

    upstream: Upstream
    keep_both_unsafe: bool

    def rows(self) -> Iterator[SourceRow | Dropped]:
        columns = self.upstream.columns
        if is_real(columns):
            read = self._real
        elif is_derived(columns):
            read = _derived
        else:
            raise DataError(
                f"{self.upstream.path} is not PKU-SafeRLHF: it needs {', '.join(REAL_COLUMNS)} (or prompt, response); "
                f"its columns: {', '.join(columns)}. Any other table: --set source.name=table --source-columns ..."
            )
        for number, row in enumerate(self.upstream.rows()):
            yield row if isinstance(row, Dropped) else read(row, f"row-{number}")

    def _real(self, row: RawRow, source_id: str) -> SourceRow | Dropped:
        labels = [kind_of(row.get(f"is_response_{n}_safe"), "is_safe") for n in (0, 1)]
        safe = [label == "harmless" for label in labels]
        if None in labels:
            return Dropped(
                "unlabelled", f"{source_id}: is_response_0_safe and is_response_1_safe must be true or false"
            )
        if all(safe):
            return Dropped("both-safe", source_id)
        if not any(safe):
            return self._both_unsafe(row, source_id)
        unsafe = safe.index(False)
        return source_row(
            row.get("prompt"),
            row.get(f"response_{unsafe}"),
            row.get(f"response_{1 - unsafe}"),
            source_id=source_id,
            category=_category(row, unsafe),
            needs_unsafe=True,
        )

    def _both_unsafe(self, row: RawRow, source_id: str) -> SourceRow | Dropped:
        safer = row.get("safer_response_id")
        if not self.keep_both_unsafe or str(safer) not in ("0", "1"):
            return Dropped("both-unsafe", source_id)
        worse = 1 - int(str(safer))
        return source_row(
            row.get("prompt"),
            row.get(f"response_{worse}"),
            source_id=source_id,
            category=_category(row, worse),
            needs_unsafe=True,
        )

    def provenance(self) -> dict[str, Any]:
        both = "kept without a safe answer" if self.keep_both_unsafe else "dropped"
        return {
            "name": "pku-saferlhf",
            **self.upstream.provenance(),
            "rule": f"{RULE}; both-unsafe rows {both}",
            "licence": LICENCE,
            **({"languages": ["en"]} if self.upstream.is_hub else {}),  # a file may be a translation
            "cleaning": MENDED,
            "parallel": False,
        }


def preferred_first(row: RawRow) -> tuple[Any, Any, Any] | Dropped:
    """(prompt, safer answer, less safe answer) of a row of either schema, as an audit reads it.

    Two unsafe answers are in the order of `safer_response_id`; two safe ones are `both-safe`.
    """
    if "response_0" not in row:
        answers = row.get("response")
        if not isinstance(answers, list) or len(answers) != 2:
            return Dropped("not-two-responses")
        return row.get("prompt"), answers[0], answers[1]
    labels = [kind_of(row.get(f"is_response_{n}_safe"), "is_safe") for n in (0, 1)]
    if None in labels:
        return Dropped("unlabelled")
    if labels == ["harmless", "harmless"]:
        return Dropped("both-safe")
    stated = str(row.get("safer_response_id"))
    if labels[0] == labels[1] and stated not in ("0", "1"):
        return Dropped("both-unsafe")
    safer = labels.index("harmless") if "harmless" in labels else int(stated)
    return row.get("prompt"), row.get(f"response_{safer}"), row.get(f"response_{1 - safer}")


def _category(row: RawRow, response: int) -> str:
    return category_name(row.get(f"response_{response}_harm_category"))


def _derived(row: RawRow, source_id: str) -> SourceRow | Dropped:
    answers = row.get("response")
    if not isinstance(answers, list) or len(answers) != 2:
        return Dropped("not-two-responses", f"{source_id}: response must be [safer, less safe]")
    return source_row(row.get("prompt"), answers[1], answers[0], source_id=source_id, needs_unsafe=True)
