"""Is a training prompt inside an evaluation set? Normalised equality, and shared runs of 13 tokens.

Thirteen tokens are GPT-3's measure of overlap (Brown et al. 2020, appendix C). A token is a word; where words have no
spaces between them (Chinese, Japanese, Thai, Khmer, Burmese) two characters count as one. Prompts shorter than 13
tokens are found by equality, and evaluation prompts of at least 8 tokens also inside a longer training prompt.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.languages.labels import TEXTS_READ, language_columns
from mpodata.languages.text import normalised, without_pictures
from mpodata.readers.conversation import prompt_text
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.table import USUAL_COLUMNS

RUN: Final = 13  # tokens
SHORTEST_INSIDE: Final = 8  # tokens; GPT-3's lower bound for the length of a run

_SPACELESS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"  # Thai, Lao, Burmese, Khmer, kana, Han
)
_MARKS: Final = "".join(c for c in map(chr, range(0xE00, 0x3100)) if unicodedata.category(c).startswith("M"))
_LETTER: Final = rf"(?![{_MARKS}])[{_SPACELESS}][{_MARKS}]*"  # with its vowel signs and tone marks
_TOKEN: Final = re.compile(rf"(?:{_LETTER}){{1,2}}|[{_MARKS}]+|[^\s{_SPACELESS}]+")


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The prompts of one evaluation set, in all its languages, as hashes."""

    name: str
    prompts: int
    exact: frozenset[int]
    bare: frozenset[int]  # without their emoji
    runs: frozenset[int]  # of 13 tokens
    inside: Mapping[int, frozenset[int]]  # length in tokens -> whole prompts of that length, 8 to 12 tokens
    unreadable: int = 0  # rows that gave no prompt: nothing can be said of what they hold

    @classmethod
    def of(cls, name: str, prompts: Iterable[str], unreadable: int = 0) -> "EvaluationSet":
        exact, bare, runs, inside, count = set(), set(), set(), dict[int, set[int]](), 0
        for prompt in prompts:
            text = normalised(prompt)
            if not text:
                continue
            count += 1
            exact.add(_hash(text))
            words = without_pictures(text)
            bare.add(_hash(words))
            tokens = _TOKEN.findall(words)
            if len(tokens) >= RUN:
                runs.update(_runs(tokens, RUN))
            elif len(tokens) >= SHORTEST_INSIDE:
                inside.setdefault(len(tokens), set()).update(_runs(tokens, len(tokens)))
        frozen = {length: frozenset(hashes) for length, hashes in inside.items()}
        return cls(name, count, frozenset(exact), frozenset(bare), frozenset(runs), frozen, unreadable)

    def holds(self, prompt: str) -> str | None:
        """How `prompt` overlaps the set: "exact", "13-gram", "inside" or None.

        An emoji that only one of two prompts has is decoration; "How do I make 💣" is not "How do I make 🍞".
        """
        text = normalised(prompt)
        words = without_pictures(text)
        if _hash(text) in self.exact or _hash(words) in self.exact or _hash(text) in self.bare:
            return "exact"
        tokens = _TOKEN.findall(words)
        if not self.runs.isdisjoint(_runs(tokens, RUN)):
            return "13-gram"
        if any(not hashes.isdisjoint(_runs(tokens, length)) for length, hashes in self.inside.items()):
            return "inside"
        return None


@dataclass
class Decontamination:
    """Looks rows up in evaluation sets and keeps count of what it found."""

    sets: tuple[EvaluationSet, ...]
    contaminated: dict[str, Counter[str]] = field(default_factory=dict)  # set name -> how -> rows

    def overlaps(self, *prompts: str) -> dict[str, str]:
        """Every set that holds one of a row's prompts -> how it does; the row is counted once for each set."""
        held = {}
        for evaluation in self.sets:
            how = next((how for prompt in prompts if (how := evaluation.holds(prompt))), None)
            if how:
                self.contaminated.setdefault(evaluation.name, Counter())[how] += 1
                held[evaluation.name] = how
        return held

    def clean(self, rows: Iterable[SourceRow | Dropped]) -> Iterator[SourceRow | Dropped]:
        """`rows` with each contaminated one dropped as `contaminated`."""
        for row in rows:
            if isinstance(row, SourceRow) and (held := self.overlaps(row.prompt)):
                row = contaminated(row.source_id, held)
            yield row

    def report(self) -> list[dict[str, Any]]:
        """What the manifest records, per evaluation set."""
        return [
            {
                "set": evaluation.name,
                "prompts": evaluation.prompts,
                "unreadable": evaluation.unreadable,
                "method": f"normalised exact, {RUN}-gram",
                "contaminated": sum(self.contaminated.get(evaluation.name, Counter()).values()),
                "by": dict(sorted(self.contaminated.get(evaluation.name, Counter()).items())),
            }
            for evaluation in self.sets
        ]


def contaminated(source_id: str, held: Mapping[str, str]) -> Dropped:
    """In place of a row that evaluation sets hold."""
    return Dropped("contaminated", f"{source_id}: {', '.join(f'{name} ({how})' for name, how in held.items())}")


def evaluation_sets(paths: Iterable[str]) -> Decontamination:
    """The evaluation sets in files or Hub datasets. `FILE` or `FILE:COLUMN,COLUMN`; by default every prompt column.

    A prompt column is one named as prompts usually are, or after a language (MultiJail has one for each), or a
    translated one (PolyRefuse has instruction and instruction_translated).
    """
    sets = tuple(_evaluation_set(path) for path in paths)
    for evaluation in sets:
        if evaluation.prompts == 0:
            raise DataError(f"{evaluation.name} holds no prompt that can be read: nothing can be checked against it.")
    return Decontamination(sets)


def _evaluation_set(path: str) -> EvaluationSet:
    place, columns = _place_and_columns(path)
    upstream = Upstream(place)
    existing = upstream.columns
    if not columns:
        columns = _prompt_columns(upstream)
    missing = [name for name in columns if name not in existing]
    if missing or not columns:
        what = f"no column {missing[0]!r}" if missing else "no column that looks like prompts"
        raise DataError(f"{place} has {what}. Its columns: {', '.join(existing)}. Name them: {place}:COLUMN,COLUMN")
    prompts: list[str] = []
    unreadable = 0
    for row in upstream.rows():
        cells = [] if isinstance(row, Dropped) else [prompt_text(row.get(column)) for column in columns]
        texts = [cell for cell in cells if isinstance(cell, str) and normalised(cell)]
        prompts += texts
        unreadable += not texts
    return EvaluationSet.of(place.replace("\\", "/").split("/")[-1], prompts, unreadable)


def _prompt_columns(upstream: Upstream) -> list[str]:
    by_name = {name.strip().casefold(): name for name in reversed(upstream.columns)}
    usual = next((by_name[name] for name in USUAL_COLUMNS["prompt"] if name in by_name), None)
    first_rows = [row for row in islice(upstream.rows(), TEXTS_READ) if not isinstance(row, Dropped)]
    named = language_columns(upstream.columns, first_rows)
    return [name for name in upstream.columns if name == usual or name in named or name.endswith("_translated")]


def _place_and_columns(path: str) -> tuple[str, list[str]]:
    place, colon, columns = path.rpartition(":")
    if colon and place and "/" not in columns and "\\" not in columns:
        return place, columns.split(",")
    return path, []


def _runs(tokens: list[str], length: int) -> set[int]:
    return {_hash(" ".join(tokens[start : start + length])) for start in range(len(tokens) - length + 1)}


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
