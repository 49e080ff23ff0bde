"""References to datasets: `user/name`, `ROOT/NAME`, a folder; with `@v1.2.0` and `#translator`."""

from dataclasses import dataclass
from pathlib import Path

from mpodata.errors import VersionError
from mpodata.versions.manifest import MANIFEST
from mpodata.versions.semver import SemVer


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
