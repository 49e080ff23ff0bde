"""Preference data in several languages as it is found in the world: what `mpodata audit` reads.

Formats, told from the columns: released MPO files; what NeMo Curator translated; TRL preference types (text or
messages, prompt given or implicit); LLaMA-Factory's ranking formats (sharegpt: conversations, chosen, rejected; alpaca:
instruction, input, chosen and rejected); hh-rlhf's transcripts; PKU-SafeRLHF; BeaverTails, whose rows have one answer
each; versions of mpodata.

A row's language is its `language` or `lang` column, by any label that `mpodata.languages` knows, else identified from
its texts. Rows that share an id (`pair_id`, or `id` beside a language column) with a row in the dominant language are
compared with it. Rows with earlier turns or a system prompt are no pairs of one prompt: each is counted as
`multi-turn`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mpodata.errors import DataError, UnknownName
from mpodata.languages import languages
from mpodata.languages.identification import UNDETERMINED, dominant_language_of, identify
from mpodata.languages.labels import language_code
from mpodata.readers.cells import clean_text
from mpodata.readers.conversation import prompt_text
from mpodata.readers.kinds import kind_column
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import COUNTERWEIGHT, Dropped, Kind, Pair, Side
from mpodata.sources import beavertails, pku_saferlhf
from mpodata.sources.exchange import Texts, alpaca, preference, row_kind, sharegpt, stated_language
from mpodata.sources.nemo_curator import METADATA, NemoCurator, nemo_curator
from mpodata.sources.released_mpo import COLUMNS as RELEASED_COLUMNS
from mpodata.sources.released_mpo import ReleasedMPO, released_mpo

ANSWERS: Final = ("chosen", "rejected")
NAMED: Final = "as named"  # why a language is the dominant one
REMEMBERED: Final = 20_000  # rows up to which a file is kept in memory between its readings
SAMPLE: Final = 200  # prompts that a file's dominant language is told from
ENGLISH: Final = 0.5  # share of the ids of the most frequent language from which English is the dominant one


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of preference data."""

    place: str  # "row-17"; the config and pair id in a version of mpodata
    side: Side
    dominant: Side | None = None  # the same pair in the dominant language, where the data has it
    told: bool = True  # the language is stated by the data; else it was identified from the texts
    identity: str | None = None  # the row's own id, where the data has one
    counterweight: bool = False  # chosen helps, rejected refuses
    kind: Kind | None = "harmful"  # of the prompt; None: the data has a column for it, and this row does not say
    absent: frozenset[str] = frozenset()  # fields that rows of this format do not have, and no fault
    label: str = ""  # what the row's language column calls its language


@dataclass(frozen=True)
class Preferences:
    """Rows of preference data that can be read more than once; short files stay in memory after the first time."""

    name: str  # what was read, as the user named it
    format: str
    read: Callable[[], Iterator[Entry | Dropped]]
    dominant: str = "en"  # the language the others are compared with
    dominant_reason: str = "by default"
    _remembered: list[list[Entry | Dropped]] = field(default_factory=list, compare=False, repr=False)

    def entries(self) -> Iterator[Entry | Dropped]:
        """Every row, and a Dropped in the place of each that cannot be read."""
        if self._remembered:
            yield from self._remembered[0]
            return
        kept: list[Entry | Dropped] = []
        for entry in self.read():
            if len(kept) <= REMEMBERED:
                kept.append(entry)
            yield entry
        if len(kept) <= REMEMBERED:
            self._remembered[:] = [kept]


def preferences(
    path: str,
    *,
    format: str | None = None,
    dominant: str | None = None,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> Preferences:
    """The preference data behind a file, a Hub dataset id or a reference to a version of mpodata.

    `dominant`: the language the others are compared with; by default what the data itself says.
    """
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if format == "mpodata" or (format is None and _is_version(path)):
        return _version(path, split)
    upstream = Upstream(path, split, config, revision)
    format = format or _format_of(upstream)
    if format == "released-mpo":
        code, reason = (dominant, NAMED) if dominant else _released_dominant(upstream)
        source = released_mpo(path=path, dominant=code, split=split, config=config, revision=revision)
        return Preferences(path, format, lambda: _parallel_entries(source), code, reason)
    if format == "nemo-curator":
        curated = nemo_curator(path=path, dominant=dominant or "en", split=split, config=config, revision=revision)
        reason = NAMED if dominant else "by default: NeMo Curator does not record it"
        return Preferences(path, format, lambda: _parallel_entries(curated), curated.dominant, reason)
    reader = _EntryReader(upstream, _ROW_FORMATS[format], dominant, format in ONE_ANSWER)
    return Preferences(path, format, reader.entries, *reader.dominant_and_reason)


def _of_most_rows(rows: Counter[str]) -> tuple[str, str]:
    """English where the file has it, else the language of most rows: nothing is compared with it."""
    alone = "no rows of two languages share an id"
    code = "en" if "en" in rows or not rows else min(rows, key=lambda code: (-rows[code], code))
    return code, alone if code == "en" else f"{alone}, and {rows[code]:,} of {rows.total():,} rows are in it"


def _is_version(path: str) -> bool:
    """A version's folder, a dataset of a folder registry, or anything with a version or translator named."""
    if Path(path).is_file():
        return False
    name = path.partition("#")[0].partition("@")[0]
    return name != path or any(Path(name).glob("manifest.json")) or any(Path(name).glob("v*/manifest.json"))


def _format_of(upstream: Upstream) -> str:
    columns = set(upstream.columns)
    if set(RELEASED_COLUMNS) <= columns:
        return "released-mpo"
    if {METADATA, *ANSWERS} <= columns:
        return "nemo-curator"
    if {"conversations", *ANSWERS} <= columns:
        return "sharegpt"
    if {"instruction", *ANSWERS} <= columns:
        return "alpaca"
    if set(ANSWERS) <= columns:
        return "trl"  # HH-RLHF's transcripts, too
    if pku_saferlhf.is_real(upstream.columns) or pku_saferlhf.is_derived(upstream.columns):
        return "pku-saferlhf"
    if set(beavertails.COLUMNS) <= columns:
        return "beavertails"
    raise DataError(
        f"{upstream.path} holds no preferences known here: it needs chosen and rejected; "
        f"its columns: {', '.join(upstream.columns)}."
    )


_ROW_FORMATS: Final[Mapping[str, Callable[[RawRow], Texts | Dropped]]] = {
    "trl": preference,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
    "pku-saferlhf": pku_saferlhf.preferred_first,
    "beavertails": beavertails.answered,
}
ONE_ANSWER: Final = ("beavertails",)  # formats whose rows hold one answer each
FORMATS: Final = ("released-mpo", "nemo-curator", "mpodata", *_ROW_FORMATS)


@dataclass(frozen=True)
class _EntryReader:
    """Rows of one language each, joined with the dominant row of the same id where there is one."""

    upstream: Upstream
    texts: Callable[[RawRow], Texts | Dropped]
    named: str | None  # the dominant language, where the user named it
    one_answer: bool = False  # a row holds a chosen or a rejected answer, not both

    def entries(self) -> Iterator[Entry | Dropped]:
        dominant, _ = self.dominant_and_reason
        for place, row, side, told in self._sides():
            if isinstance(side, Dropped):
                yield side
                continue
            original = None if side.language == dominant else self._originals.get(self._identity(row))
            shown = row.get("pair_id", row.get("id"))
            yield Entry(
                place,
                side,
                original,
                told,
                identity=None if shown is None else str(shown),
                counterweight=str(row.get("category")) == COUNTERWEIGHT,
                kind=self._kind(row),
                absent=frozenset(name for name in ANSWERS if self.one_answer and not getattr(side, name)),
                label=str(self._label(row) or ""),
            )

    @cached_property
    def dominant_and_reason(self) -> tuple[str, str]:
        """The language whose rows most others share their ids with, English where it is nearly as many; and why."""
        if self.named is not None:
            return self.named, NAMED
        languages_of: defaultdict[str, set[str]] = defaultdict(set)
        rows: Counter[str] = Counter()
        for _, row, side, _ in self._sides():
            if isinstance(side, Side):
                rows[side.language] += 1
                if identity := self._identity(row):
                    languages_of[identity].add(side.language)
        shared = Counter(code for codes in languages_of.values() if len(codes) > 1 for code in codes)
        if not shared:
            return _of_most_rows(rows)
        most = max(shared.values())
        english = shared["en"] >= ENGLISH * most  # translations are made from English more often than into it
        code = "en" if english else min(code for code in shared if shared[code] == most)
        reason = f"{shared[code]:,} of {len(languages_of):,} ids stand in it and in another language"
        others = sorted(other for other in shared if other != code and shared[other] >= shared[code])
        if not others:
            return code, reason
        choice = "English comes first" if english else "--dominant names another"
        return code, f"{reason}, and no fewer in {', '.join(others)} ({choice})"

    def _sides(self) -> Iterator[tuple[str, RawRow, Side | Dropped, bool]]:
        for number, row in enumerate(self.upstream.rows()):
            place = f"row-{number}"
            if isinstance(row, Dropped):
                yield place, {}, row, True
                continue
            side, told = self._side(row, place)
            yield place, row, side, told

    def _side(self, row: RawRow, place: str) -> tuple[Side | Dropped, bool]:
        """The row's side, and whether its language was stated."""
        texts = self.texts(row)
        if isinstance(texts, Dropped):
            return Dropped(texts.reason, place), True
        strange = next((value for value in texts if not isinstance(value, str | None)), None)
        if strange is not None:
            return Dropped("not-text", f"{place}: a {type(strange).__name__}"), True
        cleaned = [clean_text(value or "") for value in texts]
        label = self._label(row)
        if label is None:
            return Side(_spoken(cleaned), *cleaned), False
        code = language_code(label)
        return (Side(code, *cleaned) if code else Dropped("unknown-language", place)), True

    def _label(self, row: RawRow) -> Any:
        return stated_language(row)

    def _kind(self, row: RawRow) -> Kind | None:
        kind = row_kind(row, self._kind_column, "harmful")
        return None if isinstance(kind, Dropped) else kind

    @cached_property
    def _kind_column(self) -> str | None:
        return kind_column(self.upstream.columns)

    def _identity(self, row: RawRow) -> str | None:
        value = row.get("pair_id", row.get("id") if self._label(row) is not None else None)
        return None if value is None else str(value)

    @cached_property
    def _originals(self) -> dict[str | None, Side]:
        """The dominant rows by id."""
        if not {"pair_id", "id"} & set(self.upstream.columns):
            return {}
        dominant, _ = self.dominant_and_reason
        return {
            identity: side
            for _, row, side, _ in self._sides()
            if isinstance(side, Side) and side.language == dominant and (identity := self._identity(row))
        }


def _spoken(texts: list[str]) -> str:
    """The language of the longest answer, else of the prompt."""
    identified = identify(sorted(texts, key=len, reverse=True), frozenset(languages()))
    return next((code for code, _ in identified if code != UNDETERMINED), UNDETERMINED)


def _parallel_entries(source: ReleasedMPO | NemoCurator) -> Iterator[Entry | Dropped]:
    seen: set[str] = set()
    for pair in source.pairs(keep_empty=True):
        if isinstance(pair, Dropped):
            yield pair
            continue
        if pair.pair_id not in seen:
            seen.add(pair.pair_id)
            yield Entry(pair.source_id, pair.dominant, identity=pair.pair_id)
        yield Entry(pair.source_id, pair.target, pair.dominant, identity=pair.pair_id)


def _released_dominant(upstream: Upstream) -> tuple[str, str]:
    """The language that most source prompts of a released file are in."""
    rows = (row for row in upstream.rows() if not isinstance(row, Dropped))
    prompts = [prompt_text(row.get("source_conversations")) for row in islice(rows, SAMPLE)]
    code, share = dominant_language_of(prompt for prompt in prompts if isinstance(prompt, str))
    if code == UNDETERMINED:
        return "en", "by default: its prompts are too short to tell"
    return code, f"{share:.0%} of {len(prompts)} source prompts are in it"


def _version(reference: str, split: str | None) -> Preferences:
    from mpodata.versions.load import load

    dominant = load(reference).dominant
    return Preferences(
        reference, "mpodata", lambda: _version_entries(reference, split), dominant, "as its manifest says"
    )


def _version_entries(reference: str, split: str | None) -> Iterator[Entry | Dropped]:
    from mpodata.versions.load import load

    version = load(reference)
    parallel = version.manifest.parallel
    translators = [version.translator] if version.translator else list(version.translators())
    for part in [split] if split else version.splits():
        for config in [version.dominant] if parallel else version.manifest.configs:  # native rows stand for themselves
            for row in version.rows(config, part):
                place = f"{config}/{part} {row.pair_id}"
                yield Entry(place, row.side, identity=row.pair_id, counterweight=row.category == COUNTERWEIGHT)
        for translator in translators if parallel else ():
            for pair in version.pairs(part, translator):
                yield _paired(pair, f"{translator}.{pair.target.language}/{part} {pair.pair_id}")


def _paired(pair: Pair, place: str) -> Entry:
    counterweight = pair.category == COUNTERWEIGHT
    return Entry(place, pair.target, pair.dominant, identity=pair.pair_id, counterweight=counterweight)
