"""What `--dataset` names: a dataset version, or a table of preferences that is made into one.

A table (CSV, TSV, JSON, JSONL, Parquet, xlsx) has prompt, chosen and rejected as text or as TRL's messages, perhaps a
`language` column, and an `id` that rows of one pair share in several languages; a folder that `datasets.save_to_disk`
wrote is a table too. It becomes a version in the cache,
named after its content, so that a run on it is bound to its rows as any other run is.
"""

import fcntl
import json
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from mpodata.about import cache_folder
from mpodata.audit.preferences import Entry, preferences
from mpodata.errors import DataError, UnknownName
from mpodata.languages.identification import UNDETERMINED
from mpodata.readers.formats import FORMATS
from mpodata.readers.upstream import Upstream
from mpodata.records import COUNTERWEIGHT, FIELDS, Dropped, Pair, Side, content_id
from mpodata.runtime.files import file_inside
from mpodata.versions.load import EVERY_SPLIT, LoadedVersion, load
from mpodata.versions.manifest import BuildFacts, read_manifest
from mpodata.versions.reference import is_version_folder
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter
from mpotrain.runs import read_json

READING: Final = 1  # of the rules in this file; bump when the same table would become other rows
GIVEN: Final = "table"  # the translator that the configs of a table's other languages are named after
SAVED: Final = "state.json"  # what a folder of `datasets.save_to_disk` holds beside its Arrow files
SAVED_SPLITS: Final = "dataset_dict.json"  # of a folder of such folders
CLEAR_SHARE: Final = 0.8  # share of rows in one language from which a table without a language column is in it

logger = logging.getLogger(__name__)


def open_dataset(reference: str | Path) -> LoadedVersion:
    """The version behind a reference, or the one that a table is made into, which is said in one line.

    A table is a file or a folder of `datasets.save_to_disk`. Raises DataError for one that cannot be trained on,
    VersionError for a reference that names no version.
    """
    path = Path(str(reference)).expanduser()
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if (path / SAVED_SPLITS).is_file():
        splits = sorted(child.name for child in path.iterdir() if (child / SAVED).is_file())
        raise DataError(
            f"{reference} holds the splits {', '.join(splits)}: name one, {path / (splits or ['train'])[0]}."
        )
    if path.is_file() or (path / SAVED).is_file():
        folder = _made(path)
        return replace(load(folder), name=str(reference))
    if suffix in FORMATS and not path.exists():
        raise DataError(f"There is no file {reference}. Check the path, or name a version: user/name@v1.0.0, a folder.")
    return load(reference)


def is_paired(version: LoadedVersion) -> bool:
    """Has the version pairs in two languages? Else each of its rows stands for itself."""
    return version.manifest.parallel and bool(version.translators())


def pairs_of(
    version: LoadedVersion, split: str, translator: str | None = None, languages: Sequence[str] | None = None
) -> list[Pair]:
    """The pairs of a split; where rows have no counterpart, each row as the pair of itself."""
    if is_paired(version):
        return list(version.pairs(split, translator, languages))
    splits = version.splits() if split == EVERY_SPLIT else (split,)
    held = {config.language for config in version.manifest.configs.values()}
    for code in languages or ():
        if code not in held:
            raise UnknownName("language", code, held)
    return [
        Pair(row.pair_id, row.side, row.side, row.category, row.source_id, row.quality)
        for name, config in version.manifest.configs.items()
        if languages is None or config.language in languages
        for part in splits
        for row in version.rows(name, part)
    ]


def first_pairs(version: LoadedVersion, pairs: Sequence[Pair], count: int, *, enough: bool) -> list[Pair]:
    """The first `count` pairs, the same in every language; of rows without counterpart the first of each language.

    enough: raise DataError where there are fewer.
    """
    ids: dict[str, dict[str, None]] = {}  # what is counted -> its pair ids, in order
    for pair in pairs:
        ids.setdefault("pairs" if is_paired(version) else pair.target.language, {})[pair.pair_id] = None
    few = [(what, len(held)) for what, held in ids.items() if len(held) < count]
    if enough and few:
        told = ", ".join(f"{held} train pairs" if what == "pairs" else f"{held} rows in {what}" for what, held in few)
        raise DataError(f"{version.reference} has {told}, fewer than --pairs_per_language {count}.")
    kept = {pair_id for held in ids.values() for pair_id in list(held)[:count]}
    return [pair for pair in pairs if pair.pair_id in kept]


@dataclass(slots=True)
class _Table:
    """The usable rows of a table by language, and what became of the others."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    places: list[Dropped] = field(default_factory=list)

    def drop(self, reason: str, place: str) -> None:
        self.dropped[reason] += 1
        self.places.append(Dropped(reason, place))


def _made(path: Path) -> Path:
    """The folder of the version that a table becomes, made now if it is not there yet."""
    digest = _digest(path, f"{READING}\n".encode())[:16]
    folder = cache_folder() / "tables" / f"{content_id(path.name)[:8]}-{digest}"
    with _alone(folder):
        if not is_version_folder(str(folder)):
            _write(path, folder)
    manifest = read_manifest(folder)
    dropped = next(iter(manifest.builds.values()))["dropped"].get("source", {})
    told = ", ".join(f"{config.language} {config.rows}" for config in manifest.configs.values())
    lost = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    if os.environ.get("RANK", "0") == "0":
        logger.warning(
            "%s became a dataset version: rows %s%s. It is kept in %s.",
            path, told, f"; dropped: {lost} ({folder}.drops.jsonl)" if lost else "", folder,
        )  # fmt: skip
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several processes of one run, one makes the version; the others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digest(path: Path, before: bytes = b"") -> str:
    """The sha256 of `before` and the rows of a table: its file, or the Arrow files of its folder in order."""
    digest = sha256(before)
    for part in _arrow_files(path) if path.is_dir() else [path]:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def _arrow_files(folder: Path) -> list[Path]:
    """What a saved folder says its rows are in; files that an earlier save left there are not among them."""
    state = read_json(folder / SAVED)
    try:
        return [file_inside(folder, str(part["filename"])) for part in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise _damaged(folder, f"{SAVED} names no files") from error
    except FileNotFoundError as error:
        raise _damaged(folder, f"{Path(error.filename).name} is missing") from error


def _damaged(folder: Path, why: str) -> DataError:
    return DataError(f"{folder} is not a whole folder of datasets.save_to_disk: {why}. Save it again.")


@contextmanager
def _as_file(path: Path) -> Iterator[Path]:
    """The table as a file; a saved folder is written as one for the time of the block."""
    if path.is_file():
        yield path
        return

    from datasets import load_from_disk  # takes seconds, and is for these folders alone

    with tempfile.TemporaryDirectory(prefix="mpotrain-") as aside:
        file = Path(aside) / f"{path.name}.parquet"
        try:
            batches = load_from_disk(str(path)).with_format("arrow").iter(batch_size=1024)
            first = next(batches)
            with pq.ParquetWriter(file, first.schema) as writer:
                for batch in chain([first], batches):
                    writer.write_table(batch)
        except StopIteration as error:
            raise DataError(f"{path} has no row.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, str(error).partition("\n")[0]) from error
        yield file


def _write(path: Path, folder: Path) -> None:
    with _as_file(path) as file:
        _write_version(path, file, folder)


def _write_version(path: Path, file: Path, folder: Path) -> None:
    read = preferences(str(file))
    entries = list(read.entries())
    paired = any(isinstance(entry, Entry) and entry.dominant is not None for entry in entries)
    table = _read(entries, read.dominant if paired else None)
    if not table.rows:
        lost = ", ".join(f"{count} {reason}" for reason, count in table.dropped.items())
        raise DataError(f"{path} has no row to train on: {lost or 'it is empty'}.")
    dominant = read.dominant if read.dominant in table.rows else max(table.rows, key=lambda code: len(table.rows[code]))
    with VersionWriter(folder, parallel=paired or len(table.rows) == 1) as writer:
        for code in sorted(table.rows, key=lambda code: (code != dominant, code)):
            writer.add(code if code == dominant else f"{GIVEN}.{code}", "train", table.rows[code])
        writer.finish(_facts(path, dominant, table))
    lines = "".join(json.dumps({"reason": row.reason, "row": row.detail}) + "\n" for row in table.places)
    if lines:
        folder.with_name(f"{folder.name}.drops.jsonl").write_text(lines, encoding="utf-8")


def _read(entries: Sequence[Entry | Dropped], dominant: str | None) -> _Table:
    """The rows of a table; `dominant` where it is parallel, so that each target row needs a dominant one."""
    table = _Table()
    language = _language_of_all(entries)
    seen: set[tuple[str, str]] = set()
    kept: set[str] = set()  # ids of dominant rows
    # Dominant rows first: a target row is kept where its dominant one was.
    for entry in sorted(entries, key=lambda entry: isinstance(entry, Entry) and entry.dominant is not None):
        if isinstance(entry, Dropped):
            table.drop(entry.reason, entry.detail)
            continue
        side = entry.side if entry.told or language is None else replace(entry.side, language=language)
        identity = content_id(entry.identity or entry.place) if dominant else content_id(entry.place, *_texts(side))
        reason = _fault(entry, side)
        if reason is None and (identity, side.language) in seen:
            reason = "duplicate"
        if reason is None and dominant not in (None, side.language) and identity not in kept:
            reason = "no-dominant-row"
        if reason is not None:
            table.drop(reason, entry.place)
            continue
        seen.add((identity, side.language))
        if side.language == dominant:
            kept.add(identity)
        category = COUNTERWEIGHT if entry.counterweight or entry.kind == "harmless" else ""
        table.rows.setdefault(side.language, []).append(Row(identity, side, category, entry.place))
    return table


def _texts(side: Side) -> tuple[str, str, str]:
    return side.prompt, side.chosen, side.rejected


def _fault(entry: Entry, side: Side) -> str | None:
    """Why a row cannot be trained on."""
    empty = next((f"empty-{name}" for name, text in zip(FIELDS, _texts(side), strict=True) if not text), None)
    if empty is not None:
        return empty
    if side.language == UNDETERMINED:
        return "unknown-language"
    if entry.kind is None:
        return "unlabelled"
    return "same-answers" if side.chosen == side.rejected else None


def _language_of_all(entries: Sequence[Entry | Dropped]) -> str | None:
    """The language of a table that does not say it, where most rows are in one; None where each row's own counts."""
    spoken = Counter(entry.side.language for entry in entries if isinstance(entry, Entry) and not entry.told)
    told = [(code, count) for code, count in spoken.most_common() if code != UNDETERMINED]
    if not told or told[0][1] < CLEAR_SHARE * spoken.total():
        return None
    return told[0][0]


def _facts(path: Path, dominant: str, table: _Table) -> BuildFacts:
    """What made the version; nothing of this machine or of library versions, so that equal tables are equal data."""
    made_from = {"path": path.name, "sha256": _digest(path)} if path.is_dir() else Upstream(str(path)).provenance()
    source: dict[str, Any] = {"name": "table", **made_from, "licence": None}
    return BuildFacts(
        dominant=dominant,
        recipe={"source": {"name": "table", "path": path.name}},
        command=f"mpotrain train --dataset {path.name}",
        source=source,
        policy={},
        sampling={},
        translators={GIVEN: {"name": GIVEN}} if len(table.rows) > 1 else {},
        checks={"mode": "keep"},
        dropped={"source": dict(sorted(table.dropped.items()))} if table.dropped else {},
        chosen="source",
    )
