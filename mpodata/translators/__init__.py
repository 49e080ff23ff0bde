"""Who translates a dominant side into another language."""

from collections.abc import Sequence
from typing import Any, Protocol

from mpodata.records import Dropped, Side

TRANSLATORS = {
    "google": "mpodata.translators.google:google",
    "nllb-600m": "mpodata.translators.nllb:nllb_600m",
    "nllb-1.3b": "mpodata.translators.nllb:nllb_1_3b",
    "nllb-3.3b": "mpodata.translators.nllb:nllb_3_3b",
    "pocket-nllb": "mpodata.translators.nllb:pocket_nllb",
    "selftrans": "mpodata.translators.selftrans:selftrans",
    "lidr": "mpodata.translators.lidr:lidr",
    "mapo": "mpodata.translators.mapo:mapo",
    "icr": "mpodata.translators.icr:icr",
}


class Translator(Protocol):
    """Translates dominant sides into `language`. A factory in TRANSLATORS makes it from keyword arguments.

    A result depends on its own side alone, so that rows may come in any blocks, unless `needs_all_rows`.

    The pipeline offers each factory what it names among: `dominant` (language code), `journal`, `engine` (the policy),
    `sampling`, `detector` (refusals), `progress`; the rest are the user's options.
    """

    needs_all_rows: bool  # True where a row's result depends on the others of its language (ICR): all come in one call
    translated_fields: tuple[str, ...]  # those that translate the dominant side; the others are native answers

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """One result per side, in order. Identical segments are translated once per run."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the manifest records: name, model, revision, quantization, decoding, licence."""
        ...


class SentenceTranslator(Protocol):
    """Translates plain single-line segments; `document.DocumentTranslator` makes a Translator of it."""

    max_segment: int  # longest segment it translates well, in characters

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One result per text, in order; `attempt` > 0 asks for another decoding of what failed."""
        ...

    def provenance(self) -> dict[str, Any]: ...
