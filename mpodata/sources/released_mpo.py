"""The files the MPO authors released (Zhao et al. 2025, github.com/circle-hit/MPO): pairs that are translated already.

Each row holds one English exchange and one translation of it, and does not say into which language. The language is
identified per row from its three texts together. A row that is untranslated as a whole says nothing of the language it
was meant for: where the other rows of its English exchange leave exactly one of the file's languages out, it is that.
The English side is repeated in every row; `pair_id` is made from it, so it is stored once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.languages import language
from mpodata.languages import languages as known_languages
from mpodata.languages.identification import UNDETERMINED, identify
from mpodata.readers.cells import MENDED, field
from mpodata.readers.conversation import answer_text, prompt_text
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Pair, Side, content_id
from mpodata.sources.rows import without_repeated

BLOCK: Final = 256  # rows whose languages are identified at once
TRANSLATOR: Final = "released"  # the translator's name in the version: how the rows were translated is not known

COLUMNS: Final = tuple(
    f"{side}_{part}" for side in ("source", "target") for part in ("conversations", "chosen", "rejected")
)


def released_mpo(
    *,
    path: str,
    dominant: str = "en",
    languages: Sequence[str] | None = None,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> "ReleasedMPO":
    """Pairs of a released MPO file.

    `languages`: the target languages that can occur; by default those that the file itself shows in at least 1 % of
    its rows.
    """
    for code in (dominant, *(languages or ())):
        language(code)
    return ReleasedMPO(Upstream(path, split, config, revision), dominant, tuple(languages or ()))


@dataclass(frozen=True)
class ReleasedMPO:
    """A released MPO file: `pairs()` instead of `rows()`, because nothing is left to answer or translate."""

    upstream: Upstream
    dominant: str
    given: tuple[str, ...]
    translator: str = TRANSLATOR

    def pairs(self, *, keep_empty: bool = False) -> Iterator[Pair | Dropped]:
        """One Pair per usable row, in file order; a Dropped in the place of each other row.

        `keep_empty` lets target fields be empty, for an audit that counts them.
        """
        absent = sorted(set(self.given) - set(self._assigned))
        if absent:
            raise DataError(f"{self.upstream.path} has no rows in {', '.join(absent)}. Ask for its languages only.")
        yield from without_repeated(
            row if isinstance(row, Dropped) else _pair(row, f"row-{number}", self.dominant, code, keep_empty)
            for number, (row, code) in enumerate(zip(self._rows(), self._assigned, strict=True))
        )

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The target languages of the file, by code."""
        if self.given:
            return self.given
        counts = Counter(code for _, code in self._spoken if code not in (UNDETERMINED, self.dominant))
        enough = max(1, len(self._spoken) // 100)
        codes = tuple(sorted(code for code, count in counts.items() if count >= enough))
        if not codes:
            raise DataError(
                f"No target language can be recognised in {self.upstream.path}. Name them: languages=[...]."
            )
        return codes

    @cached_property
    def _spoken(self) -> list[tuple[str, str]]:
        """(hash of the English side, identified language of the target side) per row, in file order."""
        among = frozenset((*self.given, self.dominant)) if self.given else frozenset(known_languages())
        spoken = []
        rows = self._rows()
        while block := list(islice(rows, BLOCK)):
            targets = [() if isinstance(row, Dropped) else _texts(row, "target") for row in block]
            identify([text for texts in targets for text in texts if isinstance(text, str)], among)  # all at once
            for row, texts in zip(block, targets, strict=True):
                group = "" if isinstance(row, Dropped) else content_id(*map(str, _texts(row, "source")))
                spoken.append((group, _language(texts, among)))
        return spoken

    @cached_property
    def _assigned(self) -> list[str]:
        """The target language of each row; UNDETERMINED where neither the row nor its group tells."""
        targets = set(self.targets)
        groups: dict[str, list[str]] = {}
        for group, code in self._spoken:
            groups.setdefault(group, []).append(code)
        assigned = []
        for group, code in self._spoken:
            if code not in targets:
                codes = groups[group]
                left_out = targets - set(codes)
                unclear = sum(other not in targets for other in codes)
                code = left_out.pop() if len(left_out) == unclear == 1 else UNDETERMINED
            assigned.append(code)
        return assigned

    def _rows(self) -> Iterator[RawRow | Dropped]:
        existing = self.upstream.columns
        missing = [name for name in COLUMNS if name not in existing]
        if missing:
            raise DataError(
                f"{self.upstream.path} is no released MPO file: it lacks {', '.join(missing)}; "
                f"its columns: {', '.join(existing)}."
            )
        return self.upstream.rows()

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "released-mpo",
            **self.upstream.provenance(),
            "languages": [self.dominant, *self.targets],
            "language_identification": "py3langid over each row's prompt, chosen and rejected",
            "licence": "cc-by-nc-4.0",
            "cleaning": MENDED,
            "parallel": True,
        }


def _texts(row: RawRow, side: str) -> tuple[Any, Any, Any]:
    """Prompt, chosen and rejected of one side."""
    return (
        prompt_text(row.get(f"{side}_conversations")),
        answer_text(row.get(f"{side}_chosen")),
        answer_text(row.get(f"{side}_rejected")),
    )


def _language(texts: Sequence[Any], among: frozenset[str]) -> str:
    """The language most of the texts are in, weighed by belief."""
    beliefs: dict[str, float] = {}
    for code, belief in identify([text for text in texts if isinstance(text, str)], among):
        if code != UNDETERMINED:
            beliefs[code] = beliefs.get(code, 0.0) + belief
    return max(beliefs, key=lambda code: beliefs[code], default=UNDETERMINED)


def _pair(row: RawRow, source_id: str, dominant: str, target: str, keep_empty: bool) -> Pair | Dropped:
    sides = []
    for side in ("source", "target"):
        texts = []
        for name, value in zip(("prompt", "chosen", "rejected"), _texts(row, side), strict=True):
            text = field(value, name)
            if keep_empty and side == "target" and isinstance(text, Dropped) and text.reason == f"empty-{name}":
                text = ""
            if isinstance(text, Dropped):
                return Dropped(text.reason, f"{source_id}: {side} side, {target}")
            texts.append(text)
        sides.append(texts)
    if target == UNDETERMINED:
        return Dropped("unknown-language", source_id)
    return Pair(
        pair_id=content_id(*sides[0]),
        dominant=Side(dominant, *sides[0]),
        target=Side(target, *sides[1]),
        source_id=source_id,
    )
