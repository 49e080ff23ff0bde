"""Commercial translation services by their own HTTP interfaces: the key in a header, texts in the body, JSON back."""

import json
import os
from abc import abstractmethod
from typing import Any

from mpodata.errors import ConfigError, RemoteError
from mpodata.records import Dropped
from mpodata.runtime.http import HttpClient, Reply
from mpodata.runtime.remote import Unanswered, retry_after
from mpodata.translators.remote import RemoteTranslator, ServiceLimits

REFUSED_TEXT = frozenset({400, 413, 414, 422})  # the request itself was refused: another one may be fine


class JsonService(RemoteTranslator):
    """A service that takes and gives JSON; a subclass knows its addresses, headers and forms.

    The key is read from an environment variable at the first request and appears nowhere.
    """

    max_segment = 4_500  # characters
    key_env: str  # the environment variable of the key
    name: str  # as users type it

    def __init__(self, limits: ServiceLimits, *, endpoint: str, key_env: str | None = None, **given: Any) -> None:
        """endpoint: the service's address."""
        super().__init__(self.name, limits, **given)
        self.endpoint = endpoint
        self.key_env = key_env or self.key_env
        self._client = HttpClient(endpoint, limits.deadline, 1 << 20)

    @abstractmethod
    def request(self, text: str, source: str, target: str) -> tuple[str, dict[str, str], Any]:
        """Address, headers and JSON body of one request."""

    @abstractmethod
    def translation(self, body: Any) -> Any:
        """The translation in an answer's JSON; may raise LookupError or TypeError where it has another form."""

    def provenance(self) -> dict[str, Any]:
        return {"name": self.name, "model": self.service, "unit": self.unit, "licence": "other"}

    def key(self) -> str:
        """Raises ConfigError where the environment variable is not set."""
        key = os.environ.get(self.key_env, "")
        if not key:
            raise ConfigError(
                f"Set the environment variable {self.key_env} to your key for the translator {self.name}."
            )
        return key

    def ask(self, text: str, source: str, target: str) -> str | Dropped:
        """One request; raises RemoteError where the key is not accepted or used up, as every request would be."""
        address, headers, body = self.request(text, source, target)
        reply = self._client.request("POST", address, headers=headers, json=body)
        if reply.status_code in REFUSED_TEXT:
            return Dropped("untranslatable", f"HTTP {reply.status_code}")
        if reply.status_code in (401, 403, 456):
            why = (
                "its quota is used up" if reply.status_code == 456 else f"it does not accept the key in ${self.key_env}"
            )
            raise RemoteError(
                f"The translator {self.name} answered {reply.status_code}: {why}. Run again once that is mended."
            )
        if reply.status_code != 200:
            raise Unanswered(f"HTTP {reply.status_code}", retry_after(reply.headers.get("retry-after")))
        return self._text(reply)

    def _text(self, reply: Reply) -> str:
        try:
            text = self.translation(json.loads(reply.body))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Unanswered("an answer without a translation") from error
        if not isinstance(text, str):
            raise Unanswered("an answer without a translation")
        return text
