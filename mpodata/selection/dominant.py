"""Is a source in the dominant language? Rows in another one are dropped by name; a file of them is refused."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from mpodata.errors import DataError
from mpodata.languages import language
from mpodata.languages.identification import other_languages
from mpodata.records import Dropped

ENOUGH: Final = 100  # rows that show what a file is in
MOST: Final = 0.5  # share of rows in another language beyond which the file is not the dominant language's

# Languages that identification mixes up even in long texts: a text in one may be in any of its group.
ALIKE: Final = (
    frozenset({"id", "ms", "jv"}),
    frozenset({"no", "da", "sv"}),
    frozenset({"cs", "sk", "sl"}),
    frozenset({"es", "pt"}),
    frozenset({"ru", "uk", "bg"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"zh", "ja"}),  # a short Japanese text in Han alone
)


def other_language(texts: Iterable[str], expected: str) -> str | None:
    """The language that one of `texts` clearly is in, where that is not `expected` or one that is mixed up with it."""
    return next(
        (
            code
            for code in other_languages(texts, expected)
            if code is not None and not any({code, expected} <= group for group in ALIKE)
        ),
        None,
    )


@dataclass
class DominantLanguage:
    """Watches the rows of one source go by."""

    expected: str  # the dominant language's code
    source: str  # what the user calls the source: its path or name
    seen: int = 0
    others: Counter[str] = field(default_factory=Counter)  # language -> rows that are in it

    def drop(self, source_id: str, *texts: str | None) -> Dropped | None:
        """A Dropped for a row of which a text is in another language.

        Raises DataError once most rows turn out to be in other languages.
        """
        code = other_language([text for text in texts if text], self.expected)
        self.seen += 1
        self.others[code or ""] += code is not None
        if self.seen == ENOUGH:
            self.check()
        return Dropped("off-language", f"{source_id}: {code}") if code else None

    def check(self) -> None:
        """Raise DataError where most of the rows so far are not in the dominant language."""
        off = self.others.total()
        if off > MOST * self.seen:
            code, count = self.others.most_common(1)[0]
            raise DataError(
                f"{self.source} is not in {language(self.expected).name} ({self.expected}): {count} of its first "
                f"{self.seen} rows are in {language(code).name} ({code}). "
                f"Give --dominant {code}, or another source."
            )
