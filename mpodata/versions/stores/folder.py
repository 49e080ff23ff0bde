"""A folder registry: `ROOT/NAME/vX.Y.Z/`, no server, the same promises as the Hub.

A commit is a complete folder `.commit-SHA` (SHA is its manifest's sha256), written aside and renamed; tagging renames
it to its version. One lock file per dataset makes writers wait for each other; readers need none.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mpodata.errors import VersionError, VersionExists
from mpodata.runtime.files import (
    file_inside,
    hash_file,
    locked,
    made_aside,
    make_aside,
    sweep,
    sync_folder,
    sync_folders,
    write_durably,
)
from mpodata.versions.manifest import MANIFEST
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.protocol import Access, Change, Moved

_COMMIT, _LOCK = ".commit-", ".lock"
_STAGING, _KIND = "version", "staging"  # a version in the making is `.version.<random>.staging`


class FolderStore:
    """The dataset kept in `folder`."""

    remote = False

    def __init__(self, folder: Path) -> None:
        if folder.name in ("", ".."):
            raise VersionError(f"{str(folder)!r} names no dataset: write the folder itself, ROOT/NAME.")
        self.folder = folder.resolve()
        self.name = str(folder)
        self.published_name = self.folder.name
        self.place = f"the folder registry {self.folder.parent}"

    def head(self) -> str | None:
        for path in sorted(self.folder.glob(f"{_COMMIT}*")):  # a publisher was stopped before it could tag
            if not path.is_symlink():
                return path.name.removeprefix(_COMMIT)
        tags = self.tags()
        return tags[max(tags)] if tags else None

    def tags(self) -> dict[SemVer, str]:
        try:
            names = sorted(os.listdir(self.folder))  # unlike glob, says where it may not look
        except (FileNotFoundError, NotADirectoryError):
            names = []
        folders = [
            path for path in map(self.folder.joinpath, names) if SemVer.of_tag(path.name) and not path.is_symlink()
        ]
        return {
            SemVer.parse(path.name): hash_file(file_inside(path, MANIFEST))
            for path in folders
            if (path / MANIFEST).exists()
        }

    def remember(self, version: SemVer) -> None:
        """A folder needs no service."""

    def paths(self, commit: str) -> dict[str, str | None]:
        root = self._path(commit)
        files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
        return {path.relative_to(root).as_posix(): None for path in files}

    def read(self, commit: str, path: str) -> bytes | None:
        root = self._path(commit)
        try:
            return file_inside(root, path).read_bytes()
        except FileNotFoundError:
            return None if root.is_dir() else self.read(commit, path)  # tagged, and so renamed, at this very moment

    def fetch(self, commit: str, paths: Iterable[str]) -> Path:  # noqa: ARG002 (all files are here)
        return self._path(commit)

    def digest(self, commit: str, path: str) -> str:
        try:
            return hash_file(file_inside(self._path(commit), path))
        except FileNotFoundError as error:
            raise VersionError(f"{self._path(commit)} has no file {path}.") from error

    def prepare(self, access: Access) -> list[str]:  # noqa: ARG002 (the file system decides who reads)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VersionError(
                f"The folder registry {self.folder} cannot be made: {error.strerror}. Choose another place."
            ) from error
        return []

    def commit(self, parent: str | None, change: Change) -> str:
        with self._locked():
            if self.head() != parent:
                raise Moved(f"{self.name} changed while this version was being prepared.")
            aside = self.folder / _STAGING
            sweep(made_aside(aside, _KIND))  # of publishers that were killed: the lock says that no other is at work
            staging = make_aside(aside, _KIND)
            try:
                if parent is not None:
                    self._link_unchanged(parent, staging, {*change.write, *change.delete})
                for path, content in change.write.items():
                    _place(content, staging / path)
                sync_folders(staging)
                commit = hashlib.sha256((staging / MANIFEST).read_bytes()).hexdigest()
                staging.rename(self.folder / f"{_COMMIT}{commit}")
            except BaseException:
                sweep([staging])
                raise
            sync_folder(self.folder)
            return commit

    def tag(self, version: SemVer, commit: str) -> None:
        with self._locked():
            target = self.folder / version.tag
            if target.exists():
                raise VersionExists(f"{self.name}@{version.tag} exists already.")
            self._path(commit).rename(target)
            sync_folder(self.folder)

    def _path(self, commit: str) -> Path:
        waiting = self.folder / f"{_COMMIT}{commit}"
        if waiting.is_dir():
            return waiting
        for version, tagged in self.tags().items():
            if tagged == commit:
                return self.folder / version.tag
        raise VersionError(f"{self.name} has no commit {commit[:12]}: was a version's folder removed or edited?")

    def _link_unchanged(self, parent: str, staging: Path, changed: set[str]) -> None:
        """Files that both versions hold are one file on disk: both are immutable."""
        root = self._path(parent)
        for path in self.paths(parent):
            if path not in changed:
                target = staging / path
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(root / path, target)
                except OSError:  # a file system without links
                    shutil.copyfile(root / path, target)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the lock goes with the process, however it ends."""
        try:
            with locked(self.folder / _LOCK):
                yield
        except OSError as error:  # no right to write, a full disk
            raise VersionError(
                f"The folder registry cannot write {self.folder}: {error.strerror or error}. Free some space or choose "
                "another place, then run the same command again."
            ) from error


def _place(content: Path | bytes, target: Path) -> None:
    """Put a file of a version in its place, read-only."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        write_durably(target, content)
    else:
        shutil.copyfile(content, target)
    target.chmod(0o444)
