"""Microsoft Azure AI Translator (v3.0); the key in `$AZURE_TRANSLATOR_KEY`, its region as an option."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from mpodata.languages import language as language_of
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.remote import ServiceLimits
from mpodata.translators.services import JsonService

ENDPOINT: Final = "https://api.cognitive.microsofttranslator.com"
CODES: Final = {"zh": "zh-Hans", "no": "nb", "sr": "sr-Cyrl", "tl": "fil", "mn": "mn-Cyrl"}  # others are ISO 639-1


class Microsoft(JsonService):
    """Microsoft's codes and forms. A language it does not know is refused row by row ("untranslatable")."""

    name = "microsoft"
    key_env = "AZURE_TRANSLATOR_KEY"
    region = ""

    def request(self, text: str, source: str, target: str) -> tuple[str, dict[str, str], Any]:
        headers = {"Ocp-Apim-Subscription-Key": self.key()}
        if self.region:
            headers["Ocp-Apim-Subscription-Region"] = self.region
        query = urlencode({"api-version": "3.0", "from": source, "to": target, "textType": "plain"})
        return f"{self.endpoint}/translate?{query}", headers, [{"Text": text}]

    def translation(self, body: Any) -> Any:
        return body[0]["translations"][0]["text"]

    def code(self, language: str) -> str:
        code = language_of(language).code
        return CODES.get(code, code)


def microsoft(
    *,
    region: str = "",
    rate: float = 5.0,
    deadline: float = 20.0,
    attempts: int = 5,
    first_pause: float = 1.0,
    threads: int = 4,
    endpoint: str = ENDPOINT,
    key_env: str | None = None,
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> DocumentTranslator:
    """A Translator that asks Azure; `region` is that of the resource, needed for regional keys."""
    limits = ServiceLimits(rate, deadline, attempts, first_pause, threads)
    service = Microsoft(limits, endpoint=endpoint, key_env=key_env)
    service.region = region
    return DocumentTranslator(service, dominant=dominant, journal=journal, progress=progress)
