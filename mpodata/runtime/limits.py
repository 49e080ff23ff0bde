"""A limit on the time and memory of foreign code that runs in this process, such as a model's chat template.

A watchdog thread raises in the thread that runs it; it costs what is limited nothing. Code that never returns to the
interpreter (one huge power) cannot be stopped in this way.
"""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POLL: Final = 0.05  # seconds
IDLE: Final = 5.0  # seconds without work after which the watchdog ends
PAGE: Final = 4096  # bytes


class LimitReached(Exception):
    """Too much time or memory was used."""


class _Stop(BaseException):
    """Raised in the watched thread; no `except Exception` of the watched code may keep it."""


@dataclass(slots=True, eq=False)
class _Job:
    thread: int
    deadline: float  # seconds, monotonic
    memory: int  # bytes of this process that are too many
    reason: str = ""  # why it was stopped


_jobs: list[_Job] = []
_lock = threading.Lock()
_watchdog: threading.Thread | None = None


@contextmanager
def limited(seconds: float, more_bytes: int) -> Iterator[None]:
    """Run the body; raises LimitReached once it took `seconds` or the process grew by `more_bytes`."""
    job = _Job(threading.get_ident(), time.monotonic() + seconds, resident_bytes() + more_bytes)
    _start(job)
    try:
        try:
            yield
        finally:
            with _lock:
                _jobs.remove(job)
            if job.reason:  # it is on its way, and must not arrive later
                time.sleep(1.0)
    except _Stop as stop:
        raise LimitReached(job.reason) from stop


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    return 0


def _start(job: _Job) -> None:
    global _watchdog
    with _lock:
        _jobs.append(job)
        if _watchdog is None or not _watchdog.is_alive():
            _watchdog = threading.Thread(target=_watch, name="mpodata-limits", daemon=True)
            _watchdog.start()


def _watch() -> None:
    global _watchdog
    busy = time.monotonic()
    while True:
        time.sleep(POLL)
        with _lock:
            if _jobs:
                busy = time.monotonic()
                _stop_excessive()
            elif time.monotonic() - busy > IDLE:
                _watchdog = None
                return


def _stop_excessive() -> None:
    memory = resident_bytes()
    for job in _jobs:
        if job.reason:
            continue
        if time.monotonic() > job.deadline:
            job.reason = "it takes too long"
        elif memory > job.memory:
            job.reason = "it takes too much memory"
        if job.reason:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(job.thread), ctypes.py_object(_Stop))
