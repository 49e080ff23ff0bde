"""A file that appears whole or not at all: written aside under a name nobody can guess, then given its own."""

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def whole_file(path: Path, *, private: bool = False, new: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write; `path` is it once the block has ended, and is untouched where the block raises.

    A link at `path` is replaced, not followed. Devices and pipes (/dev/stdout) are written as they are. private: only
    its owner may read it. new: raises FileExistsError where there is something already. Raises OSError naming `path`.
    """
    if _is_stream(path):
        with path.open("wb") as stream:
            yield cast(BinaryIO, stream)
        return
    aside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        _make_folder(path.parent)
        handle = os.open(aside, flags, 0o600 if private else 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield cast(BinaryIO, file)
            _take_name(aside, path, new=new)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno is None or error.filename not in (None, aside, str(aside)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name aside says nothing to a user


def write_text(path: Path, text: str, *, private: bool = False, new: bool = False) -> None:
    """Write a UTF-8 text file whole or not at all. Lone surrogates, which models emit, are kept as escapes."""
    with whole_file(path, private=private, new=new) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def check_writable(path: Path) -> None:
    """Raise the OSError that `whole_file` would meet at `path`: before work of hours rather than after it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_stream(path):
        return
    _check_folder(path.parent, path)


def check_folder_writable(folder: Path) -> None:
    """Raise the OSError that making `folder`, where it is not there, or a file in it would meet. Leaves nothing."""
    _check_folder(folder, folder)


def _check_folder(folder: Path, asked: Path) -> None:
    """As check_folder_writable; an error names `asked`, or the part of its path that is no folder."""
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    try:
        with tempfile.TemporaryFile(dir=there, prefix=".", suffix=".partial"):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(asked)) from error


def _make_folder(folder: Path) -> None:
    """Raises NotADirectoryError where a file has its name; mkdir alone would say that the file exists."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _take_name(aside: Path, path: Path, *, new: bool) -> None:
    if not new:
        aside.replace(path)
        return
    try:
        os.link(aside, path)  # unlike a rename, fails where there is something
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        aside.rename(path)
    else:
        aside.unlink()
