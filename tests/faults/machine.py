"""A machine that fails: a full disk, rights that are missing, Ctrl-C at a chosen moment. For real where it can be."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Capabilities by which root ignores the rights of files (linux/capability.h).
_OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_VERSION_3 = 0x20080522


@contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """The kernel refuses to write a file beyond `room` bytes, in this process; writing stops midway as on a full disk.

    The error is EFBIG rather than ENOSPC; both are explained at one place (`explain_os_error`).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def ordinary_rights() -> Iterator[None]:
    """Rights of files hold for this thread even where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0, os.strerror(ctypes.get_errno())
    before = sets[0].effective
    sets[0].effective = before & ~_OVERRIDES
    assert libc.capset(ctypes.byref(header), sets) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(header), sets) == 0


@contextmanager
def without_rights(path: Path, mode: int) -> Iterator[None]:
    """`path` has `mode` while the block runs, and nobody overrides it."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with ordinary_rights():
            yield
    finally:
        path.chmod(before)


class _Interrupter:
    """Sends Ctrl-C when a path that begins with `place` is opened; Python tells of each through its audit hook."""

    place: str | None = None
    hook_added = False

    def see(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.place is None or event not in ("open", "os.mkdir"):
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.place):
            self.place = None
            signal.raise_signal(signal.SIGINT)


_interrupter = _Interrupter()


@contextmanager
def ctrl_c_at(place: str) -> Iterator[None]:
    """Ctrl-C at the first touch of a path that begins with `place`."""
    if not _interrupter.hook_added:
        sys.addaudithook(_interrupter.see)
        _interrupter.hook_added = True
    _interrupter.place = place
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        _interrupter.place = None
        signal.signal(signal.SIGINT, before)
