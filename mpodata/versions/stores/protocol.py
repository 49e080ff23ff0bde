"""Where the versions of one dataset are kept: a Hub repository or a folder, behind one protocol."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpodata.errors import VersionError
from mpodata.versions.semver import SemVer


class Moved(VersionError):
    """The head is no longer the commit that a change was computed from."""


@dataclass(frozen=True, slots=True)
class Change:
    """What turns one commit into the next; files that are not named stay as they are."""

    write: Mapping[str, Path | bytes]  # path -> content
    delete: Iterable[str]  # paths
    message: str


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read what is published."""

    harmful: bool  # the version holds harmful completions
    private: bool  # only the owner and their organisation
    gated: bool  # others must ask


class Store(Protocol):
    """One dataset's history: commits, one of which is the head, and version tags on them."""

    name: str  # what references call it
    published_name: str  # what the manifest and card call it
    place: str  # for messages: "the Hub", "the folder registry /data/registry"
    remote: bool  # does `fetch` load files from elsewhere?

    def head(self) -> str | None:
        """The newest commit; None where nothing was ever committed (or no such dataset)."""
        ...

    def tags(self) -> dict[SemVer, str]:
        """The commit of every published version."""
        ...

    def remember(self, version: SemVer) -> None:
        """Keep what a tag means on this machine, so that it can be read again without the service."""
        ...

    def paths(self, commit: str) -> dict[str, str | None]:
        """Every file of a commit; with its sha256 where the store knows it without reading the file."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """The content of a small file; None where the commit has no such file."""
        ...

    def fetch(self, commit: str, paths: Iterable[str]) -> Path:
        """A local folder that holds these files of a commit."""
        ...

    def digest(self, commit: str, path: str) -> str:
        """The sha256 of a file as the store serves it, read anew."""
        ...

    def prepare(self, access: Access) -> list[str]:
        """Make the dataset's place if it is missing, and guard it; what was done, in words."""
        ...

    def commit(self, parent: str | None, change: Change) -> str:
        """Make one commit on `parent`; raises Moved where that is not the head, Unanswered where nobody knows."""
        ...

    def tag(self, version: SemVer, commit: str) -> None:
        """Name a commit; raises VersionExists where the tag is taken, Unanswered where nobody knows."""
        ...
