"""Google Cloud Translation: v3 with a service account or an access token, or the basic edition (v2) with an API key.

`$GOOGLE_APPLICATION_CREDENTIALS` names the key file of a service account, `$GOOGLE_CLOUD_TOKEN` holds a token
(`gcloud auth print-access-token`), `$GOOGLE_API_KEY` a key. No glossary, no custom model.
"""

import os
from collections.abc import Callable
from typing import Any, Final

from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.remote import ServiceLimits
from mpodata.translators.service_account import ServiceAccount
from mpodata.translators.services import JsonService

ENDPOINT: Final = "https://translation.googleapis.com"
TOKEN_ENV: Final = "GOOGLE_CLOUD_TOKEN"
FILE_ENV: Final = "GOOGLE_APPLICATION_CREDENTIALS"


class GoogleCloud(JsonService):
    """Google Cloud's codes and forms."""

    name = "google-cloud"
    key_env = "GOOGLE_API_KEY"
    project = ""  # with one, v3
    location = "global"
    account: ServiceAccount | None = None  # gives v3 its tokens, instead of the environment

    def key(self) -> str:
        return super().key() if self.account is None else self.account.token()

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
    credentials: str = "",
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
    """A Translator that asks Google Cloud.

    v3 is asked with `credentials` (the key file of a service account, or `$GOOGLE_APPLICATION_CREDENTIALS`; its project
    is the default), or with `$GOOGLE_CLOUD_TOKEN` and `project` or `$GOOGLE_CLOUD_PROJECT`; v2 with an API key.
    """
    given = key_env is not None or TOKEN_ENV in os.environ or (GoogleCloud.key_env in os.environ and not project)
    file = credentials or ("" if given else os.environ.get(FILE_ENV, ""))
    account = ServiceAccount(file, deadline) if file else None
    if not project and (account is not None or os.environ.get(TOKEN_ENV)):
        project = os.environ.get("GOOGLE_CLOUD_PROJECT", "") or (account.project if account else "")
    if account is not None and not project:
        raise ConfigError(f"{file} names no project: give --set translator.options.project=PROJECT.")
    limits = ServiceLimits(rate, deadline, attempts, first_pause, threads)
    service = GoogleCloud(limits, endpoint=endpoint, key_env=key_env or (TOKEN_ENV if project else None))
    service.project, service.location, service.account = project, location, account
    return DocumentTranslator(service, dominant=dominant, journal=journal, progress=progress)
