"""Which source reads a file or a Hub dataset? Told from its columns, so that a user names only the path."""

from typing import Final

from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped
from mpodata.sources import beavertails, hh_rlhf, pku_saferlhf, refuseu, released_mpo

_HUB_IDS: Final = {
    pku_saferlhf.HUB_ID.lower(): "pku-saferlhf",
    beavertails.HUB_ID.lower(): "beavertails",
    hh_rlhf.HUB_ID.lower(): "hh-rlhf",
    refuseu.HUB_ID.lower(): "refuseu",
}


def detect(path: str, *, config: str | None = None, split: str | None = None, revision: str | None = None) -> str:
    """The name in SOURCES of the source that reads `path`; "table" where nothing more special fits.

    Raises DataError for a path that cannot be read or has no rows.
    """
    upstream = Upstream(str(path), split, config, revision)
    if upstream.is_hub and upstream.path.lower() in _HUB_IDS:
        return _HUB_IDS[upstream.path.lower()]
    columns = upstream.columns  # raises for an empty file
    first = next(row for row in upstream.rows() if not isinstance(row, Dropped))
    return _of_columns(columns, first)


def _of_columns(columns: list[str], first: RawRow) -> str:
    names = set(columns)
    if set(released_mpo.COLUMNS) <= names:
        return "released-mpo"
    if pku_saferlhf.is_real(columns) or (pku_saferlhf.is_derived(columns) and isinstance(first["response"], list)):
        return "pku-saferlhf"
    if set(beavertails.COLUMNS) <= names:
        return "beavertails"
    if {"chosen", "rejected"} <= names:
        if hh_rlhf.is_transcript(first["chosen"]):
            return "hh-rlhf"
        if "prompt" in names or isinstance(first["chosen"], list):
            return "trl"
    return "table"
