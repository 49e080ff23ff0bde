"""Manners towards a remote service: a steady rate, patience that grows, and knowing when to stop asking."""

import email.utils
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]  # seconds, monotonic
Sleep = Callable[[float], None]


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
