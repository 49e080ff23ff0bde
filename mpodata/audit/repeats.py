"""Rows that a file holds twice: in one language, or the same texts under two languages."""

from collections.abc import Iterator

from mpodata.audit.record import Finding
from mpodata.languages.text import normalised
from mpodata.records import Side, content_id


class Repeats:
    """Remembers the rows it has seen by hash."""

    def __init__(self) -> None:
        self._rows: set[str] = set()  # hashes of language, prompt and both answers
        self._exchanges: dict[str, str] = {}  # hash of a prompt and one answer -> language of the first such row

    def findings(self, side: Side) -> Iterator[Finding]:
        """What is repeated in this row, compared with all rows given before."""
        prompt, chosen, rejected = (normalised(text) for text in (side.prompt, side.chosen, side.rejected))
        row = content_id(side.language, prompt, chosen, rejected)
        exchanges = [content_id(prompt, answer) for answer in (chosen, rejected) if prompt and answer]
        if row in self._rows:
            yield Finding("duplicate", "row")
        elif any(self._exchanges.get(exchange, side.language) != side.language for exchange in exchanges):
            yield Finding("duplicate-across-languages", "row")
        self._rows.add(row)
        for exchange in exchanges:
            self._exchanges.setdefault(exchange, side.language)
        if chosen and chosen == rejected:
            yield Finding("same-answers", "row")
