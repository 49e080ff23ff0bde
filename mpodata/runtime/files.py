"""Files that are on the disk when a function returns, their hashes, and folders that hold what strangers wrote."""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mpodata.errors import VersionError

_TOKEN: Final = "[0-9a-f]{12}"  # what makes a staging name unpredictable


def hash_file(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write and wait for the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folders(folder: Path) -> None:
    """Wait until every file and folder below `folder` is on disk."""
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path)


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_inside(folder: Path, relative: str) -> Path:
    """The regular file `relative` of `folder`, reached without leaving the folder.

    Links are not followed: a stranger's version could point them at any file of this machine. One exception: in a
    snapshot of the Hub client's cache every file is a link into the `blobs` folder beside it. Raises FileNotFoundError
    where there is no such file, VersionError for a link, a device, or a path that leads outside.
    """
    path, parts = folder, relative.split("/")
    if not relative or relative.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise VersionError(f"{relative!r} is not a path inside {folder}. Do not use this version.")
    for part in parts:
        path = path / part
        if path.is_symlink() and not (part is parts[-1] and _cached_blob(folder, path)):
            raise VersionError(f"{path} is a link, which a version never holds. Do not use this version.")
    if not stat.S_ISREG(path.stat().st_mode):
        raise VersionError(f"{path} is not a regular file. Do not use this version.")
    return path


def _cached_blob(folder: Path, link: Path) -> bool:
    """Is `folder` a snapshot of the Hub client's cache, and `link` one of its links to a blob?"""
    snapshot = folder.absolute()
    if snapshot.parent.name != "snapshots":
        return False
    blobs = snapshot.parents[1] / "blobs"
    target = Path(os.path.normpath(link.absolute().parent / os.readlink(link)))
    return target.parent == blobs and not blobs.is_symlink() and not target.is_symlink()


def make_aside(out: Path, kind: str) -> Path:
    """A new folder beside `out`, hidden and with a name nobody can guess: `.NAME.<random>.<kind>`.

    A guessable name could be planted by another user as a link to a folder that is then emptied.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    path = aside_path(out, kind)
    path.mkdir()
    return path


def aside_path(out: Path, kind: str) -> Path:
    """A hidden name beside `out` that nobody can guess."""
    return out.parent / f".{out.name}.{secrets.token_hex(6)}.{kind}"


def made_aside(out: Path, kind: str) -> list[Path]:
    """What make_aside left beside `out` when its process was killed: folders of this user, never links."""
    pattern = re.compile(rf"\.{re.escape(out.name)}\.{_TOKEN}\.{re.escape(kind)}")
    if not out.parent.is_dir():
        return []
    return sorted(path for path in out.parent.iterdir() if pattern.fullmatch(path.name) and is_own_folder(path))


def is_own_folder(path: Path) -> bool:
    """Is `path` a folder that this user made, and no link?"""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def sweep(folders: Iterable[Path]) -> None:
    """Remove folders that a killed process left. Links inside them are removed, not followed."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def take_aside(out: Path, kind: str, *, alone: bool = False) -> tuple[Path, int]:
    """A new folder beside `out`, held by this process, and the handle to close; what killed processes left is removed.

    Raises BlockingIOError where `alone` and a living process holds such a folder, OSError where none can be made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with _flocked(os.open(out.parent, os.O_RDONLY | os.O_CLOEXEC)):
        left = made_aside(out, kind)
        busy = [folder for folder in left if held_elsewhere(folder)]
        if alone and busy:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process is writing", str(out))
        sweep(folder for folder in left if folder not in busy)
        path = make_aside(out, kind)
        return path, hold(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made where there is none, waiting for others; the lock goes with the process.

    Raises OSError for a link in its place: opening it would follow it.
    """
    with _flocked(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)):
        yield


@contextmanager
def _flocked(handle: int) -> Iterator[None]:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def held_elsewhere(folder: Path) -> bool:
    """Does a living process hold this folder (see hold)?"""
    try:
        handle = hold(folder)
    except OSError:
        return True
    os.close(handle)
    return False


def hold(folder: Path) -> int:
    """Lock a folder for this process and return the handle to close; raises BlockingIOError where another holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


# What a user can mend of a failing file system, and how; anything else is a bug.
_REMEDIES: Final = {
    errno.ENOSPC: "Free some space, then run the same command again",
    errno.EDQUOT: "Free some of your quota, then run the same command again",
    errno.EFBIG: "The file system takes no file of this size: choose another folder",
    errno.EIO: "Check the disk, then run the same command again",
    errno.EACCES: "Choose a place that you may read and write",
    errno.EPERM: "Choose a place that you may read and write",
    errno.EROFS: "It is read-only: choose another folder",
    errno.ENOENT: "Check the path",
    errno.ENOTDIR: "A part of the path is a file: check the path",
    errno.EISDIR: "It is a folder: name a file",
    errno.EEXIST: "Choose another name, or remove it first",
    errno.ENOTEMPTY: "Choose another folder, or empty it first",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "It is a link that is not followed: name the place itself",
    errno.EMFILE: "Raise the limit on open files (ulimit -n), then run the same command again",
    errno.ESTALE: "The network file system lost it: run the same command again",
}


def explain_os_error(error: OSError) -> str | None:
    """The sentence for a failing file system: what, where, what next; None where the user cannot mend it."""
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    where = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    what = os.strerror(error.errno or 0)
    return f"{where}: {what}. {remedy}." if where else f"{what}. {remedy}."
