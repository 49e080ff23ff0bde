"""What many rows in another language than their label say of the file: swapped labels, languages left untranslated."""

from collections.abc import Iterator
from typing import Final

from mpodata.audit.record import Audit

FEWEST: Final = 5  # rows of a language from which its label is spoken of
MANY: Final = 0.2  # share of a language's rows in one other language from which that is said
NEARLY_ALL: Final = 0.9  # ... from which the label is called wrong


def mislabelled(result: Audit) -> Iterator[str]:
    """One sentence for each language of whose rows many are in one other language, each with its counts."""
    others = {code: (other, rows) for code in result.languages() for other, rows in [_most_in(result, code)] if rows}
    swapped: set[str] = set()
    for code, (other, rows) in others.items():
        told = f"{rows:,} of {result.rows[code]:,} rows called {code} are in {other}"
        if code in swapped:
            continue
        if rows < NEARLY_ALL * result.rows[code]:
            yield f"{told}: part of them has the wrong label or was not translated."
        elif other in others and others[other][0] == code:
            swapped.add(other)
            yield f"{told} and {others[other][1]:,} of {result.rows[other]:,} called {other} in {code}: swapped labels."
        elif other == result.dominant:
            yield f"{told}, the dominant language: {code} was not translated."
        else:
            yield f"{told}: the label is wrong."


def _most_in(result: Audit, code: str) -> tuple[str, int]:
    """The other language that most rows of a language are in, and how many; 0 where they are too few to speak of."""
    rows = {other: count for (labelled, other), count in result.strays.items() if labelled == code}
    if not rows:
        return "", 0
    other = max(sorted(rows), key=lambda other: rows[other])
    few = rows[other] < FEWEST or rows[other] < MANY * result.rows[code]
    return ("", 0) if few else (other, rows[other])
