"""`mpodata.load(ref)`: the rows of a version, found by name, joined with their dominant side."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpodata.display.notebook import table
from mpodata.errors import UnknownName, VersionError
from mpodata.languages import language
from mpodata.records import Pair
from mpodata.runtime.files import file_inside, hash_file
from mpodata.versions.manifest import MANIFEST, SPLITS, Manifest, parse_manifest, read_manifest
from mpodata.versions.reference import Reference, is_version_folder, parse_reference
from mpodata.versions.schema import Row, read_rows
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.opening import open_store
from mpodata.versions.stores.protocol import Store

EVERY_SPLIT = "all"  # for `pairs`


@dataclass(frozen=True, slots=True, repr=False)
class LoadedVersion:
    """One version that a reference resolved to. Its files are fetched when they are read."""

    name: str  # "user/name", or the folder
    version: str | None  # "1.2.0"; None where it was never published
    commit: str  # the Hub commit, or the sha256 of the manifest for folders: what exactly was read
    manifest: Manifest
    translator: str | None  # what `#translator` picked
    _folder: Path | None  # where a version that is a plain folder lies
    _store: Store | None  # where the others are kept

    def __repr__(self) -> str:
        return f"LoadedVersion({self.reference!r}, configs={list(self.manifest.configs)})"

    def _repr_html_(self) -> str:
        """What it holds, in a notebook: rows of each config by split and what was dropped; no text of its rows."""
        splits = self.splits()
        rows = [
            (
                name,
                language(config.language).name,
                *(config.splits[split].rows if split in config.splits else 0 for split in splits),
                ", ".join(f"{count} {reason}" for reason, count in config.dropped.items()),
            )
            for name, config in sorted(self.manifest.configs.items(), key=lambda item: item[0] != self.dominant)
        ]
        licence = f"Licence: {self.manifest.licence}. Commit {self.commit[:12]}."
        return table(self.reference, ("config", "language", *splits, "dropped"), rows, [licence])

    @property
    def dominant(self) -> str:
        """The language code of the dominant side."""
        return self.manifest.dominant

    @property
    def reference(self) -> str:
        """The pinned reference that reads the same version again."""
        pin = f"@v{self.version}" if self.version and self._store else ""
        return f"{self.name}{pin}" + (f"#{self.translator}" if self.translator else "")

    @property
    def folder(self) -> Path:
        """A local folder that holds the whole version, unchecked: see verify.py."""
        return self._located([MANIFEST, *self.manifest.files, *self.manifest.parquet_files()])

    def fetch(self, paths: Iterable[str]) -> Path:
        """A local folder that holds these files of the version, each what the manifest recorded.

        Raises VersionError where a file is missing, was changed, or is a link. A file is hashed once, and again when it
        was touched.
        """
        paths = list(paths)
        folder, recorded = self._located(paths), self.manifest.parquet_files()
        for path in paths:
            if path in recorded:
                check_file(folder, path, recorded[path].sha256)
        return folder

    def check_files_here(self) -> None:
        """Check every file of the version as `fetch` does, unless reading them would load them from elsewhere."""
        if self._store is None or not self._store.remote:
            self.fetch(self.manifest.parquet_files())

    def _located(self, paths: Iterable[str]) -> Path:
        if self._store is not None:
            return self._store.fetch(self.commit, paths)
        assert self._folder is not None
        return self._folder

    def translators(self) -> tuple[str, ...]:
        return self.manifest.translators()

    def languages(self, translator: str | None = None) -> tuple[str, ...]:
        """The target languages of one translator (the only one, or the one the reference picked, by default)."""
        return self.manifest.languages(self._translator(translator))

    def splits(self) -> tuple[str, ...]:
        """The splits that any config has, train first."""
        held = {split for config in self.manifest.configs.values() for split in config.splits}
        return tuple(split for split in SPLITS if split in held)

    def measured_split(self) -> str:
        """The split that measurements read: test, or train where the version has no test rows."""
        return "test" if "test" in self.splits() else self.splits()[0]

    def rows(self, config: str, split: str = "train") -> Iterator[Row]:
        """The rows of one config in stored order; nothing where the config has no such split."""
        if config not in self.manifest.configs:
            raise UnknownName("config", config, self.manifest.configs)
        if split not in self.splits():
            raise UnknownName("split", split, self.splits())
        file = self.manifest.configs[config].splits.get(split)
        if file is not None:
            yield from read_rows(self.fetch([file.path]) / file.path)

    def pairs(
        self, split: str = "train", translator: str | None = None, languages: Sequence[str] | None = None
    ) -> Iterator[Pair]:
        """Every pair of a split ("all": of every split), target joined with dominant by pair_id, language by language.

        `translator` may be left out where the version has one or the reference picked one.
        Raises VersionError where a target row has no dominant one, or where the rows are not parallel at all.
        """
        if not self.manifest.parallel:
            raise VersionError(
                f"{self.reference} is not parallel: each of its languages has rows of its own, so there are no pairs "
                "to join. Read the rows of a config, or train with a method that needs no dominant side (dpo)."
            )
        translator = self._translator(translator)
        available = self.manifest.languages(translator)
        for code in available if languages is None else languages:
            if code not in available:
                raise UnknownName(f"{translator} language", code, available)
            for part in self.splits() if split == EVERY_SPLIT else (split,):
                yield from self._pairs(f"{translator}.{code}", part)

    def _pairs(self, config: str, split: str) -> Iterator[Pair]:
        for dominant, target in joined(self.rows(self.dominant, split), self.rows(config, split), f"{config}/{split}"):
            yield Pair(target.pair_id, dominant.side, target.side, target.category, target.source_id, target.quality)

    def _translator(self, asked: str | None) -> str:
        available = self.translators()
        chosen = asked or self.translator or (available[0] if len(available) == 1 else None)
        if not available:
            raise VersionError(f"{self.reference} has the dominant side only: there are no pairs to join.")
        if chosen is None:
            raise VersionError(
                f"{self.reference} holds {', '.join(available)}: pick one, for example {self.reference}#{available[0]}."
            )
        if chosen not in available:
            raise UnknownName("translator", chosen, available)
        return chosen


def load(reference: str | Path) -> LoadedVersion:
    """The version behind a reference: a version's folder, `ROOT/NAME[@v1.2.0]` or `user/name[@v1.2.0]`.

    Each may end in `#translator`. Without `@` it is the newest version; `version` and `commit` say which that was.
    """
    wanted = parse_reference(str(reference))
    loaded = _load_folder(wanted) if is_version_folder(wanted.name) else load_from(open_store(wanted.name), wanted)
    if wanted.translator is not None and wanted.translator not in loaded.translators():
        raise UnknownName("translator", wanted.translator, loaded.translators())
    return loaded


def load_from(store: Store, wanted: Reference) -> LoadedVersion:
    """The version of one dataset that a reference asks for."""
    tags = store.tags()
    version = wanted.version or max(tags, default=None)
    if version is None:
        raise VersionError(f"{store.name} has no published version in {store.place}. Publish one first.")
    if version not in tags:
        raise UnknownName(f"version of {store.name}:", version.tag, [tag_of.tag for tag_of in sorted(tags)])
    commit = tags[version]
    manifest = manifest_at(store, commit)
    if manifest is None:
        raise VersionError(f"{store.name}@{version.tag} holds no {MANIFEST}: mpodata did not publish it.")
    store.remember(version)
    return LoadedVersion(store.name, str(version), commit, manifest, wanted.translator, None, store)


def manifest_at(store: Store, commit: str) -> Manifest | None:
    """The manifest of a commit; None where it has none."""
    data = store.read(commit, MANIFEST)
    return None if data is None else parse_manifest(data, f"{store.name} ({MANIFEST} of commit {commit[:12]})")


def _load_folder(wanted: Reference) -> LoadedVersion:
    folder = Path(wanted.name).expanduser()
    manifest = read_manifest(folder)
    if wanted.version is not None and SemVer.parse(manifest.version or "0.0.0") != wanted.version:
        raise VersionError(f"{folder} is one version, {manifest.version or 'unpublished'}, not {wanted.version.tag}.")
    commit = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return LoadedVersion(str(folder), manifest.version, commit, manifest, wanted.translator, folder, None)


_checked: dict[tuple[str, int, int, int, int], str] = {}  # file as it was when it was hashed -> its sha256


def check_file(folder: Path, path: str, sha256: str) -> None:
    """Raise VersionError where a file of a version is missing, a link, or not what its manifest recorded."""
    try:
        file = file_inside(folder, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VersionError(f"{folder} lacks {path}: the version is incomplete. Fetch or build it again.") from error
    try:
        status = file.stat()
        state = (str(file), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if state not in _checked:
            _checked[state] = hash_file(file)
    except OSError as error:
        raise VersionError(f"{file} cannot be read: {error.strerror}.") from error
    if _checked[state] != sha256:
        raise VersionError(
            f"{file} is not what its manifest recorded: it was changed or damaged. Do not use it; `mpodata verify "
            f"{folder}` lists everything."
        )


def joined(dominant: Iterable[Row], targets: Iterable[Row], where: str) -> Iterator[tuple[Row, Row]]:
    """(dominant row, target row) for every target row, in target order.

    Configs are written in the dominant side's order, so that only the rows dropped on the way are held in memory; any
    other order works too.
    """
    source = iter(dominant)
    waiting: dict[str, Row] = {}
    for target in targets:
        match = waiting.pop(target.pair_id, None)
        while match is None:
            row = next(source, None)
            if row is None:
                raise VersionError(f"{where}: pair {target.pair_id} has no dominant side. Run `mpodata verify`.")
            if row.pair_id == target.pair_id:
                match = row
            else:
                waiting[row.pair_id] = row
        yield match, target
