"""The prompts of a benchmark, out of whatever shape its file has: one prompt column, one column per language, a folder
of one file per language. Every row is accounted for: it gives prompts, or the record says why not.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.languages.labels import language_code
from mpodata.readers.conversation import turns
from mpodata.readers.files import LocalFile
from mpodata.readers.kinds import is_unlabelled, kind_beside, kind_of
from mpodata.readers.upstream import Upstream
from mpodata.records import Kind, Pair, content_id
from mpodata.sources.exchange import MULTI_TURN, unused_meaning
from mpotrain.evaluation.benchmarks import CODE_SWITCHED, Benchmark, Prompt
from mpotrain.evaluation.benchmarks.columns import (
    CATEGORIES,
    CONTEXTS,
    IDS,
    LANGUAGES,
    Columns,
    columns_of,
    header_names,
)
from mpotrain.evaluation.benchmarks.files import FileName, read_name
from mpotrain.evaluation.benchmarks.tables import SUFFIXES, read_table


@dataclass(slots=True)
class Reading:
    """What became of the rows of one or several tables."""

    prompts: list[Prompt] = field(default_factory=list)
    rows: int = 0
    used: int = 0  # rows that gave at least one prompt
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> rows
    notes: list[str] = field(default_factory=list)  # how languages were told, where the file does not say

    def add(self, other: "Reading") -> None:
        """Take in what another table held."""
        self.prompts += other.prompts
        self.rows += other.rows
        self.used += other.used
        self.left_out += other.left_out
        self.notes += [note for note in other.notes if note not in self.notes]

    def record(self) -> dict[str, Any]:
        """What the results say of the reading; raises where a row would be unaccounted for."""
        if self.rows != self.used + self.left_out.total():
            raise RuntimeError(f"{self.rows} rows read, {self.used} used, {dict(self.left_out)} left out")
        return {
            "rows": self.rows,
            "unreadable": self.left_out["unreadable"],
            "left_out": dict(self.left_out),
            "notes": self.notes,
        }


def load_prompts(benchmark: Benchmark, path: str | Path | None = None) -> tuple[list[Prompt], dict[str, Any]]:
    """The prompts of `benchmark` in file order, and what the results record of where they came from.

    `path` (a file, a folder or a Hub dataset id) takes the place of the published one. Raises DataError where prompts
    cannot be had.
    """
    place = path if path is not None else benchmark.packaged
    if place is None and not benchmark.hub:
        raise DataError(
            f"Benchmark {benchmark.name!r} needs its file: --data {benchmark.name}=PATH "
            f"(published at {benchmark.source})."
        )
    if place is not None and Path(place).is_dir():
        reading, origin = _folder(benchmark, Path(place))
    else:
        reading, origin = _table(benchmark, str(place) if place is not None else "")
    prompts = reading.prompts
    if not prompts:
        why = "; ".join(f"{count:,} rows: {reason}" for reason, count in sorted(reading.left_out.items()) if count)
        raise DataError(f"Benchmark {benchmark.name!r}: no prompts in {place or benchmark.hub}{why and f' ({why})'}.")
    if benchmark.distinct:
        prompts = list({(prompt.language, prompt.text): prompt for prompt in reversed(prompts)}.values())[::-1]
    return _numbered(prompts), {**origin, **reading.record()}


def choose(prompts: Sequence[Prompt], wanted: Collection[str] | None, limit: int | None) -> list[Prompt]:
    """The prompts in the `wanted` languages, at most `limit` per language and kind.

    Which ones a limit keeps depends on their ids alone: the same in every language and every run, so that runs stay
    paired and languages parallel.
    """
    kept = [prompt for prompt in prompts if not wanted or prompt.language in wanted]
    if limit is None:
        return kept
    cells: dict[tuple[str, str], list[Prompt]] = {}
    for prompt in kept:
        cells.setdefault((prompt.language, prompt.kind), []).append(prompt)
    chosen = {
        id(prompt) for cell in cells.values() for prompt in sorted(cell, key=lambda p: content_id(p.prompt_id))[:limit]
    }
    return [prompt for prompt in kept if id(prompt) in chosen]


def pairs_prompts(name: str, pairs: Iterable[Pair]) -> list[Prompt]:
    """The prompts of a dataset version's pairs, each dominant one once."""
    prompts: dict[tuple[str, str], Prompt] = {}
    for pair in pairs:
        for side in (pair.dominant, pair.target):
            prompt = Prompt(name, pair.pair_id, side.language, pair.kind, side.prompt, pair.category)
            prompts.setdefault((side.language, pair.pair_id), prompt)
    return list(prompts.values())


def read_prompts(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], place: str, name: FileName) -> Reading:
    """The prompts in the rows of one table, whatever its shape; raises DataError where no column holds prompts."""
    columns = columns_of(benchmark, rows, place, name.folder)
    reading = Reading(rows=len(rows), notes=[f"{name.stem}: {columns.note}"] if columns.note else [])
    texts = [row.get(columns.prompt) for row in rows] if columns.prompt else []
    told = any(label in columns.names for label in LANGUAGES)
    code, note = (benchmark.language, "") if told or columns.languages else name.language(benchmark, texts)
    reading.notes += [note] if note else []
    kinds = Kinds(benchmark, columns, rows, place, name.kind)
    for number, row in enumerate(rows, start=1):
        asked = _prompts_of_row(benchmark, columns, kinds, row, number, code, place)
        if isinstance(asked, str):
            reading.left_out[asked] += 1
            continue
        reading.used += 1
        reading.prompts += [replace(prompt, prompt_id=f"{name.series}{prompt.prompt_id}") for prompt in asked]
    return reading


@dataclass(frozen=True)
class Kinds:
    """What kind of prompt each row of a table holds."""

    benchmark: Benchmark
    columns: Columns
    rows: Sequence[Mapping[str, Any]]
    place: str
    default: Kind

    def of(self, row: Mapping[str, Any], number: int) -> Kind | None:
        """None for a row without a label in a table that labels others; raises DataError for an unknown label."""
        labels = self.columns.kinds()
        if labels:
            return self._labelled(row, number, labels)
        if self._has_contrasts:
            # XSTest's completions and its first version leave the label out; its contrast types are the unsafe ones.
            return "harmful" if str(self.columns.cell(row, ("type",))).startswith("contrast_") else "harmless"
        return kind_beside(row) or self.default

    @cached_property
    def _has_contrasts(self) -> bool:
        return any(str(self.columns.cell(row, ("type",))).startswith("contrast_") for row in self.rows)

    def _labelled(self, row: Mapping[str, Any], number: int, labels: Sequence[str]) -> Kind | None:
        for column in labels:
            value = row.get(column)
            if is_unlabelled(value):
                continue
            kind = kind_of(value, column)
            if kind is None:
                raise DataError(
                    f"{self.place}, row {number}: column {column!r} says {str(value)[:40]!r}, which is no known kind "
                    "of prompt. Write harmful or harmless, or rename the column if it holds something else."
                )
            return kind
        return None


def _prompts_of_row(
    benchmark: Benchmark, columns: Columns, kinds: Kinds, row: Mapping[str, Any], number: int, code: str, place: str
) -> list[Prompt] | str:
    """The prompts of one row, one per language that has text; a reason where there are none."""
    if all(kind_of(row.get(f"is_response_{number}_safe"), "is_safe") == "harmless" for number in (0, 1)):
        return "answered safely by all"  # PKU-SafeRLHF: nobody answered it unsafely, so it asks for nothing to refuse
    names = columns.names
    if any(str(row.get(names.get(name, name), "")).casefold() != value for name, value in benchmark.where):
        return "another split"
    unused = unused_meaning(row, columns.asked())
    if unused is not None:
        return _LEFT_OUT[unused.reason]
    kind = kinds.of(row, number)
    if kind is None:
        return "unlabelled"
    prompt_id = columns.cell(row, IDS)
    shared = Prompt(
        benchmark=benchmark.name,
        prompt_id=str(number if prompt_id is None else prompt_id),
        language=code,
        kind=kind,
        text="",
        category=str(columns.cell(row, CATEGORIES) or ""),
        expects=tuple(columns.cell(row, ("expects",)) or ()),
    )
    if columns.languages:
        texts = [(language, row.get(column)) for column, language in columns.languages.items()]
        prompts = [
            replace(shared, language=language, text=text.strip())
            for language, text in texts
            if isinstance(text, str) and text.strip()
        ]
        return prompts or "no text"
    text = _text(columns, row)
    if text == EARLIER_TURNS:
        return "has earlier turns or a system prompt"
    if not text:
        return "no text"
    language = _language_of_row(columns, row, code, place)
    english = str(row.get(columns.english) or "").strip() if columns.english else ""
    return [replace(shared, language=language, text=text, english="" if language == "en" else english)]


# Reasons of `unused_meaning` as the results say them.
_LEFT_OUT = {
    MULTI_TURN: "has earlier turns or a system prompt",
    "unused-context": "has a context that is not asked",
    "needs-media": "needs an image, audio or video",
    "needs-tools": "needs tools",
}
EARLIER_TURNS = "\0earlier turns"  # in the place of a prompt's text: it is not the first turn of its conversation


def _text(columns: Columns, row: Mapping[str, Any]) -> str:
    """A row's prompt with what it goes on with; "" where there is none, EARLIER_TURNS where it is not the first."""
    cell = row.get(columns.prompt)
    messages = turns(cell)
    if messages is None and columns.prompt.casefold() == "chosen":
        return ""  # an answer alone: nobody knows what was asked
    if messages is not None:
        asked = [content for role, content in messages if role == "user"]
        if len(asked) != 1 or any(role == "system" for role, _ in messages):
            return EARLIER_TURNS
        cell = asked[0]
    if not isinstance(cell, str) or not cell.strip():
        return ""
    text = cell.strip()
    for name, joint in CONTEXTS.items():
        more = columns.cell(row, (name,))
        if isinstance(more, str) and more.strip() and columns.names[name] != columns.prompt:
            # HarmBench puts the context before the behaviour, Alpaca its input after the instruction.
            text = f"{more.strip()}{joint}{text}" if name == "contextstring" else f"{text}{joint}{more.strip()}"
    return text


def _language_of_row(columns: Columns, row: Mapping[str, Any], default: str, place: str) -> str:
    label = columns.cell(row, LANGUAGES)
    if label is None:
        return default
    if str(label).strip().casefold() == CODE_SWITCHED:
        return CODE_SWITCHED
    code = language_code(label)
    if code is None:
        raise DataError(f"{place}: language {label!r} is not in the table of languages.")
    return code


def _table(benchmark: Benchmark, place: str) -> tuple[Reading, dict[str, Any]]:
    headers = header_names(benchmark)
    if place:
        table = read_table(Upstream(place), headers)
    else:
        table = read_table(Upstream(benchmark.hub, split=benchmark.hub_split, config=benchmark.hub_config), headers)
    name = replace(read_name(Path(place), benchmark), series="")
    reading = read_prompts(benchmark, table.rows, place or benchmark.hub, name)
    reading.rows += table.unreadable
    reading.left_out["unreadable"] += table.unreadable
    return reading, dict(table.provenance)


def _folder(benchmark: Benchmark, place: Path) -> tuple[Reading, dict[str, Any]]:
    paths = sorted(path for path in place.rglob("*") if LocalFile(str(path)).suffix in SUFFIXES and path.is_file())
    if not paths:
        raise DataError(f"{place}: no table in this folder.")
    reading = Reading()
    digests = ""
    for path in paths:
        table = read_table(Upstream(str(path)), header_names(benchmark))
        part = read_prompts(benchmark, table.rows, str(path), read_name(path, benchmark, root=place))
        part.rows += table.unreadable
        part.left_out["unreadable"] += table.unreadable
        reading.add(part)
        digests += str(table.provenance.get("sha256"))
    return reading, {"path": place.name, "files": len(paths), "sha256": sha256(digests.encode()).hexdigest()}


def _numbered(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Ids made unique within a language: files that repeat an id (RefusEU does) keep all their rows."""
    seen: Counter[tuple[str, str]] = Counter()
    unique = []
    for prompt in prompts:
        seen[prompt.language, prompt.prompt_id] += 1
        times = seen[prompt.language, prompt.prompt_id]
        unique.append(prompt if times == 1 else replace(prompt, prompt_id=f"{prompt.prompt_id}#{times}"))
    return unique
