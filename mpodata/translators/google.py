"""Google Translate through deep-translator, with what that package leaves out.

A rate of its own, a deadline for every request, backoff that honours Retry-After, a circuit breaker, the journal as its
cache, the URL's real limit, English asked for as English and never guessed, entities resolved, None never returned.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import module_from_spec
from typing import Any, Final
from urllib.parse import urlencode

import requests

from mpodata.errors import ConfigError, ModelError
from mpodata.languages import language as language_of
from mpodata.records import Dropped
from mpodata.registry import require
from mpodata.runtime.journal import Journal
from mpodata.runtime.remote import Breaker, Clock, Sleep, TokenBucket, pause, retry_after
from mpodata.translators import SentenceTranslator, Unit
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.segments import ENTITY, clean

LOG: Final = logging.getLogger(__name__)

ENDPOINT: Final = "https://translate.google.com/m"
LONGEST_URL: Final = 16_000  # bytes, encoded; beyond it the service answers 400, whatever the 5,000 characters say
LONGEST_TEXT: Final = 4_500  # characters; deep-translator refuses 5,000
LONGEST_PAGE: Final = 1 << 20  # bytes of an answer
LONGEST_ASKED: Final = 300.0  # seconds; a service that asks for more is down for us

TOO_LARGE: Final = {400, 413, 414}  # the request itself was refused: another one may be fine


@dataclass(frozen=True, slots=True)
class Reply:
    """What deep-translator reads of a response."""

    status_code: int
    text: str
    retry_after: float | None = None

    def close(self) -> None:
        """Nothing is open any more."""


class Transport:
    """Stands where deep-translator's module says `requests`: every GET ends within `deadline` seconds."""

    def __init__(self, endpoint: str, deadline: float) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self._own = threading.local()  # a session and the last reply for each thread

    @property
    def last(self) -> Reply:
        """The reply to this thread's last request."""
        return getattr(self._own, "last", Reply(0, ""))

    def get(self, _url: str, *, params: Mapping[str, str], proxies: Mapping[str, str] | None = None) -> Reply:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        self._own.last = Reply(0, "")
        end = time.monotonic() + self.deadline
        asked = {"params": dict(params), "proxies": dict(proxies or {}), "timeout": self.deadline, "stream": True}
        with self._own.session.get(self.endpoint, **asked) as response:
            body = b""
            while chunk := response.raw.read1(1 << 14, decode_content=True):  # what has come, however little
                body += chunk
                if time.monotonic() > end or len(body) > LONGEST_PAGE:  # a page that drips in is no answer either
                    raise requests.Timeout(f"no whole answer within {self.deadline:g} s")
            text = body.decode(response.encoding or "utf-8", errors="replace")
            self._own.last = Reply(response.status_code, text, retry_after(response.headers.get("Retry-After")))
        return self.last


@dataclass(frozen=True, slots=True)
class Manners:
    """How the service is asked."""

    rate: float = 4.0  # requests a second; Google documents five
    deadline: float = 20.0  # seconds for one request
    attempts: int = 5  # requests for one segment before it is given up
    first_pause: float = 1.0  # seconds
    longest_pause: float = 60.0


class Google(SentenceTranslator):
    """Takes whole lines: the service knows how to read a paragraph."""

    max_segment = LONGEST_TEXT
    unit: Unit = "line"
    block = 64  # segments journaled at once: every answer was waited for

    def __init__(
        self,
        *,
        manners: Manners,
        endpoint: str = ENDPOINT,
        threads: int = 4,
        breaker: Breaker | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        for name in ("rate", "deadline", "attempts"):
            if getattr(manners, name) <= 0:
                raise ConfigError(f"translator.options.{name} must be above 0, got {getattr(manners, name)}.")
        if manners.first_pause < 0:
            raise ConfigError(f"translator.options.first_pause must be >= 0, got {manners.first_pause}.")
        if threads < 1:
            raise ConfigError(f"translator.options.threads must be at least 1, got {threads}.")
        self.manners = manners
        self.endpoint = endpoint
        self.threads = threads
        self.transport = Transport(endpoint, manners.deadline)
        self.bucket = TokenBucket(manners.rate, burst=threads, clock=clock, sleep=sleep)
        self.breaker = breaker or Breaker(clock=clock)
        self._sleep = sleep
        self._rng = random.Random()

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "google",
            "model": "Google Translate",
            "unit": self.unit,
            "licence": "other",
        }

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One result per line; Dropped("service") where the service is down. Asking again would change nothing."""
        if attempt:
            return [Dropped("untranslatable", "the service has one answer") for _ in texts]
        codes = self._code(source), self._code(target)
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(lambda text: self._segment(text, *codes), texts))

    def _segment(self, text: str, source: str, target: str) -> str | Dropped:
        url = len(self.endpoint) + 1 + len(urlencode({"tl": target, "sl": source, "q": text}))
        if url > LONGEST_URL:
            return Dropped("truncated", f"a URL of {url} bytes; the limit is {LONGEST_URL}")
        why = "the service is down"
        for attempt in range(self.manners.attempts):
            if not self.breaker.allows():
                return Dropped("service", why)
            self.bucket.take()
            answer = self._ask(text, source, target)
            if not isinstance(answer, Failure):
                self.breaker.succeeded()
                return answer
            why = answer.why
            if self.breaker.failed():
                LOG.warning("Google Translate does not answer (%s); its segments are dropped for now.", why)
            if (answer.asked or 0.0) > LONGEST_ASKED:
                break
            if attempt + 1 < self.manners.attempts and not self.breaker.open:
                self._sleep(self._pause(attempt, answer.asked))
        return Dropped("service", why)

    def _ask(self, text: str, source: str, target: str) -> "str | Dropped | Failure":
        """One request."""
        translator = self._client(source=source, target=target)
        exceptions = self._package("exceptions")
        try:
            answer = translator.translate(text)
        except requests.RequestException as error:
            return Failure(type(error).__name__)
        except (exceptions.TooManyRequests, exceptions.RequestError):
            last = self.transport.last
            if last.status_code in TOO_LARGE:
                return Dropped("untranslatable", f"HTTP {last.status_code}")
            return Failure(f"HTTP {last.status_code}", last.retry_after)
        except exceptions.TranslationNotFound:
            return Failure("a page without a translation")
        if answer is None:  # deep-translator's answer for a text without a letter that came back as it was
            return text
        return answer if ENTITY.search(text) else clean(answer)

    def _pause(self, attempt: int, asked: float | None) -> float:
        manners = self.manners
        return pause(attempt, asked=asked, first=manners.first_pause, longest=manners.longest_pause, rng=self._rng)

    @cached_property
    def _client(self) -> Any:
        """deep-translator's own class, in a copy of its module that asks through `transport`.

        The module calls `requests.get` without a timeout; a copy of our own can be given another `requests` without
        touching what the rest of the process sees.
        """
        spec: Any = self._package("google").__spec__
        module: Any = module_from_spec(spec)
        spec.loader.exec_module(module)
        if not hasattr(module, "requests"):
            raise ModelError(
                "This deep-translator asks Google in a way of its own: install 1.11.4, the tested version."
            )
        module.requests = self.transport
        return module.GoogleTranslator

    def _package(self, name: str) -> Any:
        purpose = "Google Translate"
        return require(f"deep_translator.{name}", package="deep-translator", purpose=purpose, extra="google")

    def _code(self, language: str) -> str:
        code = language_of(language).google
        if code not in self._package("constants").GOOGLE_LANGUAGES_TO_CODES.values():
            raise ConfigError(f"Google Translate does not know the language {language!r} ({code}).")
        return code


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that may succeed later."""

    why: str
    asked: float | None = None  # seconds, from Retry-After


def google(
    *,
    rate: float = 4.0,
    deadline: float = 20.0,
    attempts: int = 5,
    first_pause: float = 1.0,
    threads: int = 4,
    endpoint: str = ENDPOINT,
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> DocumentTranslator:
    """A Translator that asks Google at most `rate` times a second, each time for at most `deadline` seconds."""
    manners = Manners(rate=rate, deadline=deadline, attempts=attempts, first_pause=first_pause)
    return DocumentTranslator(
        Google(manners=manners, endpoint=endpoint, threads=threads),
        dominant=dominant,
        journal=journal,
        progress=progress,
    )
