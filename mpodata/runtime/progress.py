"""How far long work is: a bar on a terminal, a line now and then in a log, nothing in a library call."""

from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

from tqdm import tqdm

T = TypeVar("T", bound=Sized)


class Progress(Protocol):
    """Watches blocks go by; what is counted is rows unless `unit` says otherwise."""

    def over(self, blocks: Iterable[T], label: str, total: int, unit: str = "row") -> Iterator[T]: ...


class Silent:
    """Says nothing."""

    def over(self, blocks: Iterable[T], label: str, total: int, unit: str = "row") -> Iterator[T]:  # noqa: ARG002
        yield from blocks


class Bars:
    """tqdm on standard error, with rate and remaining time; in a log, at most a line every ten seconds."""

    def over(self, blocks: Iterable[T], label: str, total: int, unit: str = "row") -> Iterator[T]:
        with tqdm(total=total, desc=label, unit=unit, mininterval=0.2, maxinterval=10, dynamic_ncols=True) as bar:
            for block in blocks:
                bar.update(len(block))
                yield block
