"""Processes beside this one for the part of a build that needs no model and no journal: measuring and checking rows.

Results and their order are those of one process. A pool starts when a build turns out to be long, ends with it, and
does not outlive it: its processes watch for the end of this one, however it ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from mpodata.errors import MpoError
from mpodata.runtime.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

SERIAL_ITEMS: Final = 10_000  # items done in this process before a pool is started, which takes seconds
CHUNK: Final = 64  # items handed to a process at once
MAX_PROCESSES: Final = 4  # by default; beyond this, the parent process is the bottleneck


class Mapper(Protocol):
    """Runs a function of a list over `items`; one result per item, in order. It may still run while they are read."""

    def __call__(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], /
    ) -> Iterable[Result]: ...


def serial(function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], /) -> list[Result]:
    """In this process."""
    return function(items)


def usual_workers() -> int:
    """As many as there are cores for this process (`OMP_NUM_THREADS` counts), at most MOST."""
    return min(MAX_PROCESSES, cores())


class ProcessMapper:
    """A `Spread` over `count` processes; 1 is this process alone. The function must be importable by its name."""

    def __init__(self, count: int = 1, *, alone: int = SERIAL_ITEMS) -> None:
        self.count = count
        self._left = alone  # items still to be done here

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_pool" in vars(self):  # it was started
            self._pool.shutdown(cancel_futures=True)

    def __call__(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], /
    ) -> Iterable[Result]:
        if self.count < 2 or self._left > 0:
            self._left -= len(items)
            return function(items)
        pieces = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        with _plainly():
            return _together(self._pool.map(function, pieces))

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: this process may hold threads and locks of models, and GPU memory.
        return ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), initializer=_prepare)


def _together(parts: Iterator[list[Result]]) -> Iterator[Result]:
    with _plainly():
        for part in parts:
            yield from part


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what the end of a worker means."""
    try:
        yield
    except BrokenProcessPool as error:
        raise MpoError(
            "A worker process ended unexpectedly: it was killed, or memory ran out. "
            "Run the same command again to continue; --workers 1 needs the least memory."
        ) from error


def _prepare() -> None:
    """In a new process: take one core, leave Ctrl-C to the parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported, which comes after
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
