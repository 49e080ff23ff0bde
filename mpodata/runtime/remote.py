"""Manners towards a remote service: a steady rate, patience that grows, and knowing when to stop asking."""

import email.utils
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from mpodata.errors import RemoteError

Clock = Callable[[], float]  # seconds, monotonic
Sleep = Callable[[float], None]
Result = TypeVar("Result")


class Unanswered(RemoteError):
    """A request failed in a way that leaves open whether it took effect: read again before repeating it."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait  # seconds the service asked to wait for


@dataclass(slots=True)
class TokenBucket:
    """At most `rate` requests a second on average, `burst` at once; shared by threads."""

    rate: float
    burst: float = 1.0
    clock: Clock = time.monotonic
    sleep: Sleep = time.sleep
    _level: float = field(init=False)
    _filled: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._level, self._filled = self.burst, self.clock()

    def take(self) -> None:
        """Wait for the next request's turn. Turns are given in the order asked, so no thread starves."""
        with self._lock:
            now = self.clock()
            self._level = min(self.burst, self._level + (now - self._filled) * self.rate) - 1
            self._filled = now
            wait = max(0.0, -self._level / self.rate)
        if wait:
            self.sleep(wait)


@dataclass(slots=True)
class Breaker:
    """Opens after `failures` in a row; after `rest` seconds one caller may try whether the service is back."""

    failures: int = 10
    rest: float = 60.0
    clock: Clock = time.monotonic
    _failed: int = field(default=0, init=False)
    _opened: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def open(self) -> bool:
        """Is the service taken to be down?"""
        return self._failed >= self.failures

    def allows(self) -> bool:
        """May a request be made now?"""
        with self._lock:
            if not self.open:
                return True
            if self.clock() - self._opened < self.rest:
                return False
            self._opened = self.clock()  # this caller tries; the others wait for what it finds
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failed = 0

    def failed(self) -> bool:
        """Count a failure; True when this one opened the breaker."""
        with self._lock:
            self._failed += 1
            self._opened = self.clock()
            return self._failed == self.failures


def pause(attempt: int, *, asked: float | None, first: float, longest: float, rng: random.Random) -> float:
    """Seconds before the next attempt: doubled each time, with full jitter; never less than the service asked for."""
    return max(asked or 0.0, rng.uniform(0.5, 1.0) * min(longest, first * 2.0**attempt))


def retry_after(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Seconds of a Retry-After header (a number or an HTTP date); None where there is none or it cannot be read."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounded retries with exponential backoff and jitter."""

    attempts: int = 6
    first_wait: float = 0.5  # seconds; doubles with every attempt
    longest_wait: float = 60.0  # seconds; also for what the service asks for

    def waits(self) -> Iterator[float]:
        """The seconds to wait before attempts 2, 3, ..."""
        for attempt in range(self.attempts - 1):
            wait = min(self.first_wait * 2**attempt, self.longest_wait)
            yield wait * random.uniform(0.5, 1.0)

    def sleep(self, wait: float, error: Unanswered) -> None:
        """Wait, longer where the service asked for longer."""
        time.sleep(min(max(wait, error.wait or 0.0), self.longest_wait))

    def pause(self) -> None:
        """A short random wait, so that two who met do not meet again."""
        time.sleep(random.uniform(0.0, self.first_wait))

    def repeat(self, action: Callable[[], Result]) -> Result:
        """Do what may be done twice, until it is answered; raises the last Unanswered."""
        for wait in self.waits():
            try:
                return action()
            except Unanswered as error:
                self.sleep(wait, error)
        return action()
