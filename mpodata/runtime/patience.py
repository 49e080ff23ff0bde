"""How long to keep asking a service that does not answer."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mpodata.versions.stores.protocol import Unanswered

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
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
