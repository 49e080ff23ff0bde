"""Which source reads a file or a Hub dataset? Told from its columns, so that a user names only the path."""

from itertools import islice
from typing import Final

from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped
from mpodata.sources import beavertails, hh_rlhf, nemo_curator, pku_saferlhf, refuseu, released_mpo
from mpodata.sources.exchange import transcript

EXAMPLES: Final = 100  # rows that show what kind of cells a column has

_HUB_IDS: Final = {
    pku_saferlhf.HUB_ID.lower(): "pku-saferlhf",
    beavertails.HUB_ID.lower(): "beavertails",
    hh_rlhf.HUB_ID.lower(): "hh-rlhf",
    refuseu.HUB_ID.lower(): "refuseu",
}
_QUESTIONS: Final = frozenset({"instruction", "question", "query", "goal", "behavior"})  # a prompt in its own column


def detect(path: str, *, config: str | None = None, split: str | None = None, revision: str | None = None) -> str:
    """The name in SOURCES of the source that reads `path`; "table" where nothing more special fits.

    Raises DataError for a path that cannot be read or has no rows.
    """
    upstream = Upstream(str(path), split, config, revision)
    if upstream.is_hub and upstream.path.lower() in _HUB_IDS:
        return _HUB_IDS[upstream.path.lower()]
    columns = upstream.columns  # raises for an empty file
    return _of_columns(columns, _example(upstream))


def _example(upstream: Upstream) -> RawRow:
    """The first filled cell of each column, from the first rows."""
    cells: RawRow = {}
    for row in islice(upstream.rows(), EXAMPLES):
        if not isinstance(row, Dropped):
            cells |= {name: value for name, value in row.items() if value is not None and name not in cells}
    return cells


def _of_columns(columns: list[str], cells: RawRow) -> str:
    names = set(columns)
    if set(released_mpo.COLUMNS) <= names:
        return "released-mpo"
    if nemo_curator.METADATA in names and {"chosen", "rejected"} <= names:
        return "nemo-curator"
    if pku_saferlhf.is_real(columns) or (pku_saferlhf.is_derived(columns) and isinstance(cells.get("response"), list)):
        return "pku-saferlhf"
    if set(beavertails.COLUMNS) <= names:
        return "beavertails"
    if {"chosen", "rejected"} <= names:
        if {"lang", "row_id"} <= names and isinstance(cells.get("chosen"), list):
            return "refuseu"
        if "prompt" not in names and transcript(cells.get("chosen")) is not None:
            return "hh-rlhf"
        implicit = isinstance(cells.get("chosen"), list) and not names & _QUESTIONS
        if implicit or names & {"prompt", "conversations"}:
            return "trl"
    return "table"
