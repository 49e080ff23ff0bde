"""A translation service asked segment by segment: at a steady rate, with a deadline, retries and a circuit breaker."""

import logging
import time
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from mpodata.errors import ConfigError
from mpodata.records import Dropped
from mpodata.runtime.remote import STOP, Breaker, Clock, RetryPolicy, Sleep, TokenBucket, Unanswered
from mpodata.translators import SentenceTranslator, Unit

LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """Rate, deadline and retry limits of a service."""

    rate: float = 4.0  # requests a second; Google documents five
    deadline: float = 20.0  # seconds for one request
    attempts: int = 5  # requests for one segment before it is given up
    first_pause: float = 1.0  # seconds
    threads: int = 4  # requests at once

    def __post_init__(self) -> None:
        for name in ("rate", "deadline", "attempts"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"translator.options.{name} must be above 0, got {getattr(self, name)}.")
        if self.first_pause < 0:
            raise ConfigError(f"translator.options.first_pause must be >= 0, got {self.first_pause}.")
        if self.threads < 1:
            raise ConfigError(f"translator.options.threads must be at least 1, got {self.threads}.")


class RemoteTranslator(SentenceTranslator):
    """Whole lines, one request each; a subclass says how one is asked.

    A line that is not answered is Dropped("service"): never journaled, asked again by the next run.
    """

    unit: Unit = "line"
    block = 64  # segments journaled at once: every answer was waited for
    remote = True

    def __init__(
        self,
        service: str,
        limits: ServiceLimits,
        *,
        breaker: Breaker | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        """service: its name in messages."""
        self.service = service
        self.limits = limits
        self.retry = RetryPolicy(limits.attempts, limits.first_pause)
        self.bucket = TokenBucket(limits.rate, burst=limits.threads, clock=clock, sleep=sleep)
        self.breaker = breaker or Breaker(clock=clock)
        self._sleep = sleep

    @abstractmethod
    def ask(self, text: str, source: str, target: str) -> str | Dropped:
        """One request, languages by the service's codes; raises Unanswered where asking again may help."""

    @abstractmethod
    def code(self, language: str) -> str:
        """The service's code of a language; raises ConfigError where it has none."""

    def check_language(self, language: str) -> None:
        self.code(language)

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One result per line; Dropped("service") where the service is down. Asking again would change nothing."""
        if attempt:
            return [Dropped("untranslatable", "the service has one answer") for _ in texts]
        codes = self.code(source), self.code(target)
        pool = ThreadPoolExecutor(self.limits.threads)
        try:
            return list(pool.map(lambda text: self._segment(text, *codes), texts))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing is waited for

    def _segment(self, text: str, source: str, target: str) -> str | Dropped:
        why = "the service is down"
        for attempt in range(self.limits.attempts):
            if STOP.is_set() or not self.breaker.allows():
                break
            self.bucket.take()
            try:
                answer = self.ask(text, source, target)
            except Unanswered as error:
                why = str(error)
                if self.breaker.failed():
                    LOG.warning("%s does not answer (%s); its segments are dropped for now.", self.service, why)
                wait = self.retry.wait(attempt, error.wait)
                if wait is None:
                    break
                if not self.breaker.open:
                    self._sleep(wait)
            else:
                self.breaker.succeeded()
                return answer
        return Dropped("service", why)

    def provenance(self) -> dict[str, Any]:
        """The service, by its name as users type it."""
        return {"name": self.service}
