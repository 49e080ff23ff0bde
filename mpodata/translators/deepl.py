"""DeepL's API (v2), which RefusEU was translated with; the key in `$DEEPL_API_KEY`, free keys end in `:fx`."""

import os
from collections.abc import Callable
from typing import Any, Final

from mpodata.errors import ConfigError
from mpodata.languages import language as language_of
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.remote import ServiceLimits
from mpodata.translators.services import JsonService

_CODES = "ar bg cs da de el en es et fi fr he hu id it ja ko lt lv nb nl pl pt ro ru sk sl sv th tr uk vi zh"
KNOWN: Final = frozenset(_CODES.split(" "))
VARIANTS: Final = {"en": "EN-US", "pt": "PT-PT", "zh": "ZH-HANS"}  # what DeepL wants of a target


class Deepl(JsonService):
    """DeepL's codes and forms."""

    name = "deepl"
    key_env = "DEEPL_API_KEY"

    def request(self, text: str, source: str, target: str) -> tuple[str, dict[str, str], Any]:
        headers = {"Authorization": f"DeepL-Auth-Key {self.key()}"}
        body = {
            "text": [text],
            "source_lang": source.upper(),
            "target_lang": VARIANTS.get(target, target.upper()),
            "preserve_formatting": True,
        }
        return f"{self.endpoint}/v2/translate", headers, body

    def translation(self, body: Any) -> Any:
        return body["translations"][0]["text"]

    def code(self, language: str) -> str:
        code = language_of(language).code
        code = "nb" if code == "no" else code
        if code not in KNOWN:
            raise ConfigError(f"DeepL does not know the language {language!r}. It knows: {', '.join(sorted(KNOWN))}.")
        return code


def deepl(
    *,
    rate: float = 5.0,
    deadline: float = 20.0,
    attempts: int = 5,
    first_pause: float = 1.0,
    threads: int = 4,
    endpoint: str | None = None,
    key_env: str | None = None,
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> DocumentTranslator:
    """A Translator that asks DeepL; `endpoint` by default follows the kind of key."""
    free = os.environ.get(key_env or Deepl.key_env, "").endswith(":fx")
    address = endpoint or ("https://api-free.deepl.com" if free else "https://api.deepl.com")
    service = Deepl(ServiceLimits(rate, deadline, attempts, first_pause, threads), endpoint=address, key_env=key_env)
    return DocumentTranslator(service, dominant=dominant, journal=journal, progress=progress)
