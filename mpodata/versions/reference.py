"""References to datasets: `user/name`, `ROOT/NAME`, a folder; with `@v1.2.0` and `#translator`."""

import re
from dataclasses import dataclass
from pathlib import Path

from mpodata.errors import VersionError
from mpodata.versions.manifest import MANIFEST
from mpodata.versions.semver import SemVer

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference as it was written, taken apart."""

    name: str  # "user/name" or a path
    version: SemVer | None = None  # None: the newest
    translator: str | None = None

    def __str__(self) -> str:
        pin = f"@{self.version.tag}" if self.version else ""
        return f"{self.name}{pin}" + (f"#{self.translator}" if self.translator else "")


def parse_reference(text: str) -> Reference:
    """Take a reference apart; raises VersionError where it cannot be one."""
    rest, _, translator = text.partition("#")
    name, _, version = rest.rpartition("@") if "@" in rest else (rest, "", "")
    if not name:
        raise VersionError(f"{text!r} names no dataset. Write user/name, a folder, or either with @v1.2.0.")
    return Reference(name.rstrip("/") or "/", SemVer.parse(version) if version else None, translator or None)


def is_version_folder(name: str) -> bool:
    """Is `name` the folder of one version, rather than a dataset of a registry?"""
    return (Path(name).expanduser() / MANIFEST).is_file()


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
