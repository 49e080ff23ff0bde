"""Rows that a file holds twice: in one language, or the same texts under two languages."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from mpodata.audit.record import Finding
from mpodata.languages.text import normalised
from mpodata.records import Side


class Fingerprints(NamedTuple):
    """Hashes of a row's texts as duplicates compare them; empty for texts of which nothing is compared."""

    prompt: bytes
    chosen: bytes
    rejected: bytes


def fingerprints(side: Side) -> Fingerprints:
    """The hashes of a row's texts: a function of the row alone, which any process may run."""
    return Fingerprints(*(_hash(normalised(text)) for text in (side.prompt, side.chosen, side.rejected)))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() if text else b""


class Repeats:
    """Remembers the rows it has seen by hash."""

    def __init__(self) -> None:
        self._rows: set[tuple[str, Fingerprints]] = set()  # language and texts
        self._exchanges: dict[tuple[bytes, bytes], str] = {}  # prompt and one answer -> language of the first such row

    def findings(self, language: str, texts: Fingerprints) -> Iterator[Finding]:
        """What is repeated in this row, compared with all rows given before."""
        row = language, texts
        exchanges = [(texts.prompt, answer) for answer in (texts.chosen, texts.rejected) if texts.prompt and answer]
        if row in self._rows:
            yield Finding("duplicate", "row")
        elif any(self._exchanges.get(exchange, language) != language for exchange in exchanges):
            yield Finding("duplicate-across-languages", "row")
        self._rows.add(row)
        for exchange in exchanges:
            self._exchanges.setdefault(exchange, language)
        if texts.chosen and texts.chosen == texts.rejected:
            yield Finding("same-answers", "row")
