"""The Hugging Face Hub as names know it: what is a Hub id, what is a path."""

import re
from pathlib import Path
from typing import Final

from mpodata.errors import VersionError

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_FILE_SUFFIXES: Final = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".gz", ".txt", ".ndjson")


def looks_like_hub_id(path: str) -> bool:
    """`user/name`, and not the name of a file."""
    return bool(_HUB_ID.fullmatch(path)) and not path.lower().endswith(_FILE_SUFFIXES)


def is_hub_id(name: str) -> bool:
    """Does `name` mean a Hub repository? What looks like a path, or starts with a folder that is here, is a path.

    Raises VersionError for a bare name, which could be either.
    """
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or Path(name).is_dir():
        return False
    owner, slash, _ = name.partition("/")
    if slash and Path(owner).is_dir():
        return False
    if not _HUB_ID.fullmatch(name):
        raise VersionError(f"{name!r} is neither a folder nor a Hub id. Write user/{name} or ./{name}.")
    return True
