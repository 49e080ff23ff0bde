"""The translator that takes over the segments which another one could not translate, or translated otherwise."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpodata.languages.chrf import chrf
from mpodata.records import Dropped

if TYPE_CHECKING:
    from mpodata.translators.document import DocumentTranslator


class Second:
    """Stands behind a DocumentTranslator, which keeps its own results in the journal whatever is replaced here.

    A model that softens a text shows in a comparison alone: its translation is fluent, complete and about something
    milder.
    """

    def __init__(self, translator: "DocumentTranslator", name: str, min_agreement: float = 0.0) -> None:
        """name: what rows say of a field it translated.

        min_agreement: chrF (0..100) between both translations of a segment below which this one's is taken; 0 asks for
        failed segments only.
        """
        self.translator, self.name, self.min_agreement = translator, name, min_agreement

    def provenance(self) -> dict[str, Any]:
        """What the manifest records of it."""
        made = {**self.translator.provenance(), "name": self.name}
        return {**made, "min_agreement": self.min_agreement} if self.min_agreement else made

    def replacements(
        self, translated: Mapping[str, str | Dropped], source: str, target: str
    ) -> dict[str, str | Dropped]:
        """Segment -> what takes the place of the first translator's result.

        Nothing replaces a result that a service owes. A translation that cannot be compared stays, unless the second
        translator's service is down: the next run compares it.
        """
        failed = [text for text, result in translated.items() if isinstance(result, Dropped) and not _owed(result)]
        compared = [text for text, result in translated.items() if isinstance(result, str) and self.min_agreement]
        asked = [*failed, *compared]
        results = dict(zip(asked, self.translator.texts(asked, source, target), strict=True))
        taken = {text: results[text] for text in failed}
        for text in compared:
            other = results[text]
            differs = isinstance(other, str) and chrf(str(translated[text]), other) < self.min_agreement
            if differs or _owed(other):
                taken[text] = other
        return taken


def _owed(result: str | Dropped) -> bool:
    """Will the next run ask for it again?"""
    return isinstance(result, Dropped) and result.reason == "service"
