"""Who translates a dominant side into another language."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from mpodata.records import FIELDS, Dropped, Side
from mpodata.runtime.processes import Mapper

TRANSLATORS = {
    "google": "mpodata.translators.google:google",
    "google-cloud": "mpodata.translators.google_cloud:google_cloud",
    "deepl": "mpodata.translators.deepl:deepl",
    "microsoft": "mpodata.translators.microsoft:microsoft",
    "nllb-600m": "mpodata.translators.nllb:nllb_600m",
    "nllb-1.3b": "mpodata.translators.nllb:nllb_1_3b",
    "nllb-3.3b": "mpodata.translators.nllb:nllb_3_3b",
    "madlad-3b": "mpodata.translators.madlad:madlad_3b",
    "madlad-7b": "mpodata.translators.madlad:madlad_7b",
    "madlad-10b": "mpodata.translators.madlad:madlad_10b",
    "pocket-nllb": "mpodata.translators.nllb:pocket_nllb",
    "llm": "mpodata.translators.llm:llm",
    "selftrans": "mpodata.translators.selftrans:selftrans",
    "lidr": "mpodata.translators.lidr:lidr",
    "mapo": "mpodata.translators.mapo:mapo",
    "icr": "mpodata.translators.icr:icr",
}


Unit = Literal[
    "sentence", "line", "text"
]  # what a translator takes at once: NLLB a sentence, Google a line, an LLM all


class Translator(Protocol):
    """Translates dominant sides into `language`. A factory in TRANSLATORS makes it from keyword arguments.

    A result depends on its own side alone, so that rows may come in any blocks, unless `needs_all_rows`.

    The pipeline offers each factory what it names among: `dominant` (language code), `journal`, `engine` (the policy),
    `sampling`, `detector` (refusals), `progress`; the rest are the user's options.
    """

    needs_all_rows: bool = False  # True where a row's result depends on others of its language (ICR): all in one call
    translated_fields: tuple[str, ...] = FIELDS  # those that translate the dominant side; the others are native answers

    def translate(self, sides: Sequence[Side], language: str) -> list[Side | Dropped]:
        """One result per side, in order. Identical segments are translated once per run."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the manifest records: name, model, revision, quantization, decoding, licence."""
        ...

    def ready(self, prompts: Sequence[str], languages: Sequence[str]) -> None:  # noqa: ARG002
        """Called before anything is paid for; by default nothing can be said.

        Raises ConfigError for a language of `languages` that it does not know, and RemoteError where its service
        answers none of the `prompts`, texts in the dominant language that the build translates anyway.
        """
        return

    def check_languages(self, languages: Sequence[str]) -> None:  # noqa: ARG002
        """Raise ConfigError for a language that it is known not to do, as far as that can be said without loading or
        downloading a model or asking a service; by default nothing can.
        """
        return

    def back(self, texts: Sequence[str], language: str) -> list[str | Dropped] | None:  # noqa: ARG002
        """Texts in `language` translated into the dominant one, for the round trip; None: it cannot translate back."""
        return None

    def original_pairs(self, sides: Sequence[Side], language: str) -> list[list[Side] | Dropped] | None:  # noqa: ARG002
        """Every training pair that the method's own code makes of each dominant side, in `language` or the dominant
        one; None where that is the one pair which `translate` gives.
        """
        return None

    def map_with(self, mapper: Mapper) -> None:  # noqa: ARG002
        """Run what needs neither model nor journal through `mapper`; by default everything runs here."""
        return


class SentenceTranslator(Protocol):
    """Translates plain segments of a text; `document.DocumentTranslator` makes a Translator of it."""

    max_segment: int  # longest segment it translates well, in characters of English
    unit: Unit = "sentence"  # a segment without line breaks, unless it is "text"
    block: int = 1024  # segments between two journal entries
    remote: bool = False  # does it ask a service that may be down?
    languages_at_hand: bool = True  # can `check_language` be answered without downloading or converting a model?

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One result per text, in order; `attempt` > 0 asks for another decoding of what failed.

        A text that is not translated is a Dropped with its reason: "truncated" where a shorter one may succeed,
        "service" where the next run should ask again, "untranslatable" where nothing helps.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """What the manifest and journal keys record: name, model, revision, quantization, decoding, licence."""
        ...

    def check_language(self, language: str) -> None:  # noqa: ARG002
        """Raise ConfigError for a language that it does not know; by default it knows all of `languages.tsv`."""
        return

    def check_installed(self) -> None:
        """Raise MissingPackage where a package that translating needs is not there; by default none is needed."""
        return

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """For each text the characters that the vocabulary lacks; by default none."""
        return [""] * len(texts)
