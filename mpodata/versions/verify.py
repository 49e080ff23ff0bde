"""Is a version what its manifest says? Hashes, schema, pairs, card."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from mpodata.display import notebook
from mpodata.errors import VersionError
from mpodata.runtime.files import file_inside, hash_file
from mpodata.versions.card import configs_metadata, parse_front_matter
from mpodata.versions.dominant import strangers
from mpodata.versions.manifest import CARD, RETRIED_DROPS, Config, Manifest, SplitFile, licence_of
from mpodata.versions.schema import differences, read_groups, schema_with


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    check: str  # "hash", "missing", "link", "schema", "rows", "pairs", "card" or "manifest"
    path: str  # the file or config
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail} [{self.check}]"


class Problems(list[Problem]):
    """Everything that is wrong with a version, as `mpodata.verify` returns it; empty for a sound one."""

    def _repr_html_(self) -> str:
        caption = f"{len(self)} problems: do not use it" if self else "Sound: every check passed"
        return notebook.table(caption, ("where", "what", "check"), [(p.path, p.detail, p.check) for p in self])


def check_folder(folder: Path, manifest: Manifest) -> None:
    """Raise VersionError with the first problem of a version's folder."""
    for problem in problems(folder, manifest):
        raise VersionError(f"{folder} is not a sound version. {problem}. `mpodata verify {folder}` lists everything.")


def check_complete(folder: Path, manifest: Manifest) -> None:
    """Raise VersionError where a config has no rows, or lost rows to a service or an engine that was down."""
    for name, config in manifest.configs.items():
        lost = {reason: config.dropped[reason] for reason in RETRIED_DROPS if reason in config.dropped}
        why = ", ".join(f"{count} {reason}" for reason, count in (lost or config.dropped).items())
        if lost:
            raise VersionError(
                f"{folder}: config {name} is incomplete ({why}): a service or an engine was down. Run the same build "
                "again, which asks for the missing rows only, then publish."
            )
        if config.rows == 0:
            raise VersionError(
                f"{folder}: config {name} has no rows ({why or 'nothing was written'}). Build without it, or mend its "
                "translator and build again, then publish."
            )


def problems(folder: Path, manifest: Manifest, done: Callable[[str], None] = lambda _: None) -> Iterator[Problem]:
    """Everything that is wrong with a version, cheapest checks first; `done` is told each file that was checked."""
    yield from _manifest(manifest)
    yield from _card(folder, manifest)
    sound = set()
    for path, file in manifest.parquet_files().items():
        faults = list(_file(folder, path, file))
        yield from faults
        if not faults:
            sound.add(path)
        done(path)
    yield from _equal_answers(folder, manifest, sound)
    if not manifest.parallel:
        return
    yield from _pairs(folder, manifest, sound)
    if sound.issuperset(manifest.parquet_files()) and manifest.dominant in manifest.configs:
        for stranger in strangers(folder, manifest):
            yield Problem("pairs", stranger.config, f"{stranger.detail}: build it again from the present dominant side")


def _manifest(manifest: Manifest) -> Iterator[Problem]:
    where = "manifest.json"
    if manifest.dominant not in manifest.configs:
        yield Problem("manifest", where, f"there is no config of the dominant language {manifest.dominant}")
    for name, config in manifest.configs.items():
        if name != (f"{config.translator}.{config.language}" if config.translator else config.language):
            yield Problem("manifest", where, f"config {name} says it is {config.translator} in {config.language}")
        if config.build not in manifest.builds:
            yield Problem("manifest", where, f"config {name} names no known build")
    if manifest.licence != licence_of(manifest.builds):
        yield Problem("manifest", where, f"licence {manifest.licence} does not follow from the parts")
    if manifest.version is not None and (not manifest.history or manifest.history[-1].version != manifest.version):
        yield Problem("manifest", where, f"version {manifest.version} is not the newest of its history")


def _card(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    for path, sha256 in manifest.files.items():
        if (problem := _unreachable(folder, path)) is not None:
            yield problem
        elif hash_file(folder / path) != sha256:
            yield Problem("card", path, "the text was edited after the version was made")
    card = folder / CARD
    if _unreachable(folder, CARD) is None:
        listed = parse_front_matter(card.read_text(encoding="utf-8", errors="replace")).get("configs")
        if listed != [*configs_metadata(manifest), *manifest.other_configs]:
            yield Problem("card", CARD, "its `configs` are not those of the manifest")


def _unreachable(folder: Path, path: str) -> Problem | None:
    """Why a file of the version cannot be read: it is missing, or no regular file inside the folder."""
    try:
        file_inside(folder, path)
    except (FileNotFoundError, NotADirectoryError):
        return Problem("missing", path, "the file is missing")
    except VersionError as error:
        return Problem("link", path, str(error))
    return None


def _file(folder: Path, path: str, file: SplitFile) -> Iterator[Problem]:
    if (problem := _unreachable(folder, path)) is not None:
        yield problem
        return
    if hash_file(folder / path) != file.sha256:
        yield Problem("hash", path, "its content is not what the manifest recorded")
    try:
        footer = pq.read_metadata(folder / path)
        schema = pq.read_schema(folder / path).remove_metadata()
    except (OSError, ValueError) as error:
        yield Problem("schema", path, f"it is not readable as Parquet ({type(error).__name__})")
        return
    if not schema.equals(schema_with(schema.names)):
        yield Problem("schema", path, differences(schema))
    if footer.num_rows != file.rows:
        yield Problem("rows", path, f"it has {footer.num_rows} rows, the manifest says {file.rows}")


def _pairs(folder: Path, manifest: Manifest, sound: set[str]) -> Iterator[Problem]:
    """Every target row has its dominant row in the same split, once; every dominant pair is there or counted lost."""
    dominant = manifest.configs.get(manifest.dominant)
    if dominant is None or not sound.issuperset(file.path for file in dominant.splits.values()):
        return
    home: dict[str, str] = {}  # pair_id -> split
    for name, config in sorted(manifest.configs.items(), key=lambda item: item[0] != manifest.dominant):
        if not sound.issuperset(file.path for file in config.splits.values()):
            continue
        seen: set[str] = set()
        for split, pair_id, code in _keys(folder, config):
            if pair_id in seen:
                yield Problem("pairs", name, f"pair {pair_id} is there twice")
            seen.add(pair_id)
            if code != config.language:
                yield Problem("pairs", name, f"pair {pair_id} is in {code}")
            if name == manifest.dominant:
                home[pair_id] = split
            elif home.get(pair_id) != split:
                yield Problem("pairs", name, f"pair {pair_id} of {split} has no dominant side in {split}")
        lost = len(home) - len(seen) - sum(config.dropped.values())
        # Later builds may add dominant rows; those of the same build were all either kept or counted.
        if lost > 0 and config.build == dominant.build:
            yield Problem("pairs", name, f"{lost} pairs are neither here nor counted as dropped")


def _equal_answers(folder: Path, manifest: Manifest, sound: set[str]) -> Iterator[Problem]:
    """Rows whose chosen and rejected answers are the same text: they teach nothing."""
    for name, config in manifest.configs.items():
        paths = [file.path for file in config.splits.values() if file.path in sound]
        tables = (table for path in paths for table in read_groups(folder / path, ["chosen", "rejected"]))
        equal = sum(row["chosen"] == row["rejected"] for table in tables for row in table.to_pylist())
        if equal:
            yield Problem("rows", name, f"chosen and rejected are the same text in {equal} rows")


def _keys(folder: Path, config: Config) -> Iterator[tuple[str, str, str]]:
    """(split, pair_id, language) of every row."""
    for split, file in config.splits.items():
        for table in read_groups(folder / file.path, ["pair_id", "language"]):
            for row in table.to_pylist():
                yield split, row["pair_id"], row["language"]
