"""Google Translate through deep-translator, with what that package leaves out.

A rate of its own, bounds on every request, backoff that honours Retry-After, a circuit breaker, the journal as its
cache, the URL's real limit, English asked for as English and never guessed, entities resolved, None never returned.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.util import module_from_spec
from typing import Any, Final
from urllib.parse import urlencode

from mpodata.errors import ConfigError, ModelError
from mpodata.languages import language as language_of
from mpodata.records import Dropped
from mpodata.registry import require
from mpodata.runtime.http import HttpClient, Reply
from mpodata.runtime.journal import Journal
from mpodata.runtime.remote import Unanswered, retry_after
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.remote import RemoteTranslator, ServiceLimits
from mpodata.translators.segments import ENTITY, clean

ENDPOINT: Final = "https://translate.google.com/m"
LONGEST_URL: Final = 16_000  # bytes, encoded; beyond it the service answers 400, whatever the 5,000 characters say
LONGEST_TEXT: Final = 4_500  # characters; deep-translator refuses 5,000
LONGEST_PAGE: Final = 1 << 20  # bytes of an answer

TOO_LARGE: Final = {400, 413, 414}  # the request itself was refused: another one may be fine


class Transport:
    """Stands where deep-translator's module says `requests`: every GET is bounded in time and bytes."""

    def __init__(self, endpoint: str, deadline: float) -> None:
        self.endpoint = endpoint
        self._client = HttpClient(endpoint, deadline, LONGEST_PAGE)
        self._own = threading.local()  # the last reply of each thread

    @property
    def last(self) -> Reply:
        """The reply to this thread's last request."""
        reply: Reply = getattr(self._own, "last", Reply(0))
        return reply

    def get(self, _url: str, *, params: Mapping[str, str], **_: Any) -> "PageReply":
        """Raises Unanswered. The package's `proxies` are left out: those of the environment hold."""
        self._own.last = Reply(0)
        self._own.last = self._client.request("GET", self.endpoint, params=dict(params))
        return PageReply(self.last)


class PageReply:
    """What deep-translator reads of a response."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status_code
        self.text = reply.text

    def close(self) -> None:
        """Nothing is open any more."""


class Google(RemoteTranslator):
    """Takes whole lines: the service knows how to read a paragraph."""

    max_segment = LONGEST_TEXT

    def __init__(self, limits: ServiceLimits | None = None, *, endpoint: str = ENDPOINT, **given: Any) -> None:
        super().__init__("Google Translate", limits or ServiceLimits(), **given)
        self.endpoint = endpoint
        self.transport = Transport(endpoint, self.limits.deadline)

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "google",
            "model": "Google Translate",
            "unit": self.unit,
            "licence": "other",
        }

    def ask(self, text: str, source: str, target: str) -> str | Dropped:
        """One page."""
        url = len(self.endpoint) + 1 + len(urlencode({"tl": target, "sl": source, "q": text}))
        if url > LONGEST_URL:
            return Dropped("truncated", f"a URL of {url} bytes; the limit is {LONGEST_URL}")
        translator = self._client(source=source, target=target)
        exceptions = self._package("exceptions")
        try:
            answer = translator.translate(text)
        except (exceptions.TooManyRequests, exceptions.RequestError) as error:
            last = self.transport.last
            if last.status_code in TOO_LARGE:
                return Dropped("untranslatable", f"HTTP {last.status_code}")
            raise Unanswered(f"HTTP {last.status_code}", retry_after(last.headers.get("retry-after"))) from error
        except exceptions.TranslationNotFound as error:
            raise Unanswered("a page without a translation") from error
        if answer is None:  # deep-translator's answer for a text without a letter that came back as it was
            return text
        return answer if ENTITY.search(text) else clean(answer)

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

    def code(self, language: str) -> str:
        code = language_of(language).google
        if code not in self._package("constants").GOOGLE_LANGUAGES_TO_CODES.values():
            raise ConfigError(f"Google Translate does not know the language {language!r} ({code}).")
        return code


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
    limits = ServiceLimits(rate, deadline, attempts, first_pause, threads)
    return DocumentTranslator(
        Google(limits, endpoint=endpoint),
        dominant=dominant,
        journal=journal,
        progress=progress,
    )
