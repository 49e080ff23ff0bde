"""Asking a remote service: a steady rate, retries with backoff and jitter, a circuit breaker, and a stop signal."""

import email.utils
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

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
    """Bounded retries with exponential backoff and jitter; a service may ask for a longer wait (Retry-After)."""

    attempts: int = 6
    first_wait: float = 0.5  # seconds; doubles with every attempt
    longest_wait: float = 60.0  # seconds of a wait that the service did not ask for
    longest_asked: float = 300.0  # seconds; a service that asks for more is taken to be down

    def wait(self, attempt: int, asked: float | None = None) -> float | None:
        """Seconds to wait after `attempt` (from 0) failed; None: give up.

        Half to all of the doubled wait, and never less than the service asked for.
        """
        if attempt + 1 >= self.attempts or (asked or 0.0) > self.longest_asked:
            return None
        return max(asked or 0.0, random.uniform(0.5, 1.0) * min(self.longest_wait, self.first_wait * 2.0**attempt))

    def pause(self) -> None:
        """A short random wait, so that two who met do not meet again."""
        time.sleep(random.uniform(0.0, self.first_wait))

    def repeat(self, action: Callable[[], Result]) -> Result:
        """Retry an idempotent call until it is answered; raises the last Unanswered."""
        for attempt in itertools.count():
            try:
                return action()
            except Unanswered as error:
                wait = self.wait(attempt, error.wait)
                if wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError  # the count never ends


STOP: Final = threading.Event()  # set by the first Ctrl-C: nothing new is asked, and nothing is waited for for long
