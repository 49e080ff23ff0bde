"""Preference data in several languages as it is found in the world: what `mpodata audit` reads.

Formats, told from the columns: released MPO files; TRL preference types (text or messages, prompt given or implicit);
LLaMA-Factory's ranking formats (sharegpt: conversations, chosen, rejected; alpaca: instruction, input, chosen and
rejected); versions of mpodata. A row's language is its `language` or `lang` column, else identified from its texts.
Rows that share an id (`pair_id`, or `id` beside a language column) with a row in the dominant language are compared
with it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from mpodata.errors import DataError, UnknownName
from mpodata.languages import languages
from mpodata.languages.identification import UNDETERMINED, identify
from mpodata.languages.labels import language_code
from mpodata.readers.cells import clean_text
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import COUNTERWEIGHT, Dropped, Pair, Side
from mpodata.sources.exchange import LANGUAGE_COLUMNS, Texts, alpaca, preference, sharegpt
from mpodata.sources.released_mpo import COLUMNS as RELEASED_COLUMNS
from mpodata.sources.released_mpo import released_mpo

ANSWERS: Final = ("chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of preference data."""

    place: str  # "row-17"; the config and pair id in a version of mpodata
    side: Side
    dominant: Side | None = None  # the same pair in the dominant language, where the data has it
    told: bool = True  # the language is stated by the data; else it was identified from the texts
    counterweight: bool = False  # chosen helps, rejected refuses


@dataclass(frozen=True)
class Preferences:
    """Rows of preference data that can be read more than once."""

    name: str  # what was read, as the user named it
    format: str
    read: Callable[[], Iterator[Entry | Dropped]]

    def entries(self) -> Iterator[Entry | Dropped]:
        """Every row, and a Dropped in the place of each that cannot be read."""
        return self.read()


def preferences(
    path: str,
    *,
    format: str | None = None,
    dominant: str = "en",
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> Preferences:
    """The preference data behind a file, a Hub dataset id or a reference to a version of mpodata."""
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if format == "mpodata" or (format is None and _is_version(path)):
        return Preferences(path, "mpodata", lambda: _version_entries(path, split))
    upstream = Upstream(path, split, config, revision)
    format = format or _format_of(upstream)
    if format == "released-mpo":
        return Preferences(path, format, lambda: _released_entries(upstream, dominant))
    return Preferences(path, format, _EntryReader(upstream, _ROW_FORMATS[format], dominant).entries)


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
    if {"conversations", *ANSWERS} <= columns:
        return "sharegpt"
    if {"instruction", *ANSWERS} <= columns:
        return "alpaca"
    if set(ANSWERS) <= columns:
        return "trl"
    raise DataError(
        f"{upstream.path} holds no preferences known here: it needs chosen and rejected; "
        f"its columns: {', '.join(upstream.columns)}."
    )


_ROW_FORMATS: Final[Mapping[str, Callable[[RawRow], Texts | Dropped]]] = {
    "trl": preference,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
}
FORMATS: Final = ("released-mpo", "mpodata", *_ROW_FORMATS)


@dataclass(frozen=True)
class _EntryReader:
    """Rows of one language each, joined with the dominant row of the same id where there is one."""

    upstream: Upstream
    texts: Callable[[RawRow], Texts | Dropped]
    dominant: str

    def entries(self) -> Iterator[Entry | Dropped]:
        for place, row, side, told in self._sides():
            if isinstance(side, Dropped):
                yield side
                continue
            original = None if side.language == self.dominant else self._originals.get(self._identity(row))
            yield Entry(place, side, original, told, str(row.get("category")) == COUNTERWEIGHT)

    def _sides(self) -> Iterator[tuple[str, RawRow, Side | Dropped, bool]]:
        for number, row in enumerate(self.upstream.rows()):
            place = f"row-{number}"
            if isinstance(row, Dropped):
                yield place, {}, row, True
                continue
            found = self.texts(row)
            if isinstance(found, Dropped):
                yield place, row, Dropped(found.reason, place), True
                continue
            strange = next((value for value in found if not isinstance(value, str | None)), None)
            if strange is not None:
                yield place, row, Dropped("not-text", f"{place}: a {type(strange).__name__}"), True
                continue
            texts = [clean_text(value or "") for value in found]
            told = self._told(row)
            if isinstance(told, Dropped):
                yield place, row, Dropped(told.reason, place), True
                continue
            yield place, row, Side(told or _spoken(texts), *texts), told is not None

    def _told(self, row: RawRow) -> str | Dropped | None:
        """The language that a row's own column names; a Dropped where its label is in no table."""
        label = next((row[name] for name in LANGUAGE_COLUMNS if row.get(name)), None)
        return None if label is None else language_code(label) or Dropped("unknown-language")

    def _identity(self, row: RawRow) -> str | None:
        value = row.get("pair_id", row.get("id") if "language" in row or "lang" in row else None)
        return None if value is None else str(value)

    @cached_property
    def _originals(self) -> dict[str | None, Side]:
        """The dominant rows by id."""
        if not {"pair_id", "id"} & set(self.upstream.columns):
            return {}
        return {
            identity: side
            for _, row, side, _ in self._sides()
            if isinstance(side, Side) and side.language == self.dominant and (identity := self._identity(row))
        }


def _spoken(texts: list[str]) -> str:
    """The language of the longest answer, else of the prompt."""
    found = identify(sorted(texts, key=len, reverse=True), frozenset(languages()))
    return next((code for code, _ in found if code != UNDETERMINED), UNDETERMINED)


def _released_entries(upstream: Upstream, dominant: str) -> Iterator[Entry | Dropped]:
    source = released_mpo(
        path=upstream.path, dominant=dominant, split=upstream.split, config=upstream.config, revision=upstream.revision
    )
    seen: set[str] = set()
    for pair in source.pairs(keep_empty=True):
        if isinstance(pair, Dropped):
            yield pair
            continue
        if pair.pair_id not in seen:
            seen.add(pair.pair_id)
            yield Entry(pair.source_id, pair.dominant)
        yield Entry(pair.source_id, pair.target, pair.dominant)


def _version_entries(reference: str, split: str | None) -> Iterator[Entry | Dropped]:
    from mpodata.versions.load import load

    version = load(reference)
    translators = [version.translator] if version.translator else list(version.translators())
    for part in [split] if split else version.splits():
        for row in version.rows(version.dominant, part):
            yield Entry(
                f"{version.dominant}/{part} {row.pair_id}", row.side, counterweight=row.category == COUNTERWEIGHT
            )
        for translator in translators:
            for pair in version.pairs(part, translator):
                yield _paired(pair, f"{translator}.{pair.target.language}/{part} {pair.pair_id}")


def _paired(pair: Pair, place: str) -> Entry:
    return Entry(place, pair.target, pair.dominant, counterweight=pair.category == COUNTERWEIGHT)
