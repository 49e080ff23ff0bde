"""Google Cloud Translation: v3 with a project and an access token, or the basic edition (v2) with an API key.

`$GOOGLE_CLOUD_TOKEN` holds a token of a user or service account (`gcloud auth print-access-token`), `$GOOGLE_API_KEY` a
key. No glossary, no custom model.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from mpodata.languages import language as language_of
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.remote import ServiceLimits
from mpodata.translators.services import JsonService

ENDPOINT: Final = "https://translation.googleapis.com"
TOKEN_ENV: Final = "GOOGLE_CLOUD_TOKEN"


class GoogleCloud(JsonService):
    """Google Cloud's codes and forms."""

    name = "google-cloud"
    key_env = "GOOGLE_API_KEY"
    project = ""  # with one, v3
    location = "global"

    def request(self, text: str, source: str, target: str) -> tuple[str, dict[str, str], Any]:
        if not self.project:
            body: dict[str, Any] = {"q": text, "source": source, "target": target, "format": "text"}
            return f"{self.endpoint}/language/translate/v2", {"X-Goog-Api-Key": self.key()}, body
        headers = {"Authorization": f"Bearer {self.key()}", "X-Goog-User-Project": self.project}
        body = {
            "contents": [text],
            "mimeType": "text/plain",
            "sourceLanguageCode": source,
            "targetLanguageCode": target,
        }
        return f"{self.endpoint}/v3/projects/{self.project}/locations/{self.location}:translateText", headers, body

    def translation(self, body: Any) -> Any:
        return body.get("data", body)["translations"][0]["translatedText"]

    def code(self, language: str) -> str:
        return language_of(language).google


def google_cloud(
    *,
    project: str = "",
    location: str = "global",
    rate: float = 10.0,
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
    """A Translator that asks Google Cloud; `project` or `$GOOGLE_CLOUD_TOKEN` with `$GOOGLE_CLOUD_PROJECT` mean v3."""
    if not project and os.environ.get(TOKEN_ENV):
        project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    limits = ServiceLimits(rate, deadline, attempts, first_pause, threads)
    service = GoogleCloud(limits, endpoint=endpoint, key_env=key_env or (TOKEN_ENV if project else None))
    service.project, service.location = project, location
    return DocumentTranslator(service, dominant=dominant, journal=journal, progress=progress)
