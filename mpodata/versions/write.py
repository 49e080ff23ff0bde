"""Writes a version: streamed, aside, whole or not at all."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq

from mpodata.errors import DataError, VersionError, VersionExists
from mpodata.hub import redacted
from mpodata.runtime.files import (
    aside_path,
    hash_file,
    made_aside,
    sweep,
    sync_folder,
    sync_folders,
    take_aside,
    write_durably,
)
from mpodata.versions.card import render_card
from mpodata.versions.dominant import DOMINANT_TEXTS, text_digests, text_hash
from mpodata.versions.load import check_file
from mpodata.versions.manifest import (
    CARD,
    MANIFEST,
    SPLITS,
    BuildFacts,
    Config,
    Manifest,
    SplitFile,
    build_id,
    licence_of,
    parse_config,
    read_manifest,
)
from mpodata.versions.schema import ROW_GROUP, Row, optional_values, schema_with, table_of
from mpodata.versions.summary import Summary

_REPLACED = "old"  # the kind of folder that holds a version while another takes its name
ABSENT = "absent"  # pairs that the target side never had, as in imported files with gaps


@dataclass(slots=True)
class _Written:
    """The splits of one config as they are written."""

    translator: str | None
    language: str
    splits: dict[str, SplitFile] = field(default_factory=dict)


class VersionWriter:
    """Write the version folder `out`: rows into a hidden folder beside it, the card, last the manifest; then rename.

        with VersionWriter(out) as writer:
            writer.add("en", "train", rows)
            writer.add("nllb-3.3b.sw", "train", other_rows)
            manifest = writer.finish(facts)

    `base` is the folder of an existing version to add to: its configs that are not written again are copied in
    byte by byte. An existing complete `out` raises VersionExists unless `replace`. Without `finish`, nothing
    remains. `parallel` is False where every language has rows of its own. Equal rows give equal bytes with equal
    versions of pyarrow.
    """

    def __init__(self, out: Path, *, base: Path | None = None, replace: bool = False, parallel: bool = True) -> None:
        self.out = Path(out)
        self._base = None if base is None else Path(base)
        self._replace = replace
        self._configs: dict[str, _Written] = {}
        self._parallel = parallel
        try:
            self._staging, self._lock = take_aside(self.out, "partial", alone=True)
        except BlockingIOError as error:
            raise VersionError(
                f"Another process is writing {self.out} right now. Wait for it, or choose another folder."
            ) from error
        except OSError as error:
            raise VersionError(
                f"The folder {self.out} cannot be made: {error.strerror}. Choose another place."
            ) from error
        try:
            _restore_replaced(self.out)
            _check_free(self.out, replace)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        os.close(self._lock)

    def add(self, config: str, split: str, rows: Iterable[Row]) -> SplitFile | None:
        """Write one split of one config; no file is made of no rows. Raises DataError naming a bad row."""
        translator, language = parse_config(config)
        if split not in SPLITS:
            raise DataError(f"{split!r} is not a split. Known: {', '.join(SPLITS)}.")
        written = self._configs.setdefault(config, _Written(translator, language))
        if split in written.splits:
            raise DataError(f"{config}/{split} was written already.")
        folder = self._staging.joinpath(*([translator] if translator else []), language)
        folder.mkdir(parents=True, exist_ok=True)
        file = _write_parquet(folder, split, rows, f"{config}/{split}", language)
        if file is not None:
            file = replace(file, path=str(Path(folder.relative_to(self._staging), file.path)))
            written.splits[split] = file
        return file

    def rows(self, config: str) -> int:
        """How many rows of a config were written."""
        return sum(file.rows for file in self._configs[config].splits.values())

    def finish(self, facts: BuildFacts) -> Manifest:
        """Write card and manifest, make everything durable, and give the folder its name."""
        return self._complete(self._manifest(facts))

    def finish_review(
        self, reviewed: Mapping[str, Mapping[str, Any]], dropped: Mapping[str, Mapping[str, int]]
    ) -> Manifest:
        """As `finish`, for the base version with some configs written again because people judged their rows.

        What made a config stays recorded. reviewed: config -> what its readers did, kept in its build under "review"
        beside earlier rounds. dropped: config -> reason -> rows that left, added to those counted before.
        """
        assert self._base is not None
        base = read_manifest(self._base)
        self._keep_base(base.dominant)
        configs = {
            name: replace(
                config,
                splits=dict(sorted(self._configs[name].splits.items())) if name in self._configs else config.splits,
                dropped=dict(sorted((Counter(config.dropped) + Counter(dropped.get(name, {}))).items())),
            )
            for name, config in base.configs.items()
        }
        builds = dict(base.builds)
        texts = self._dominant_texts(base.dominant, configs) if self._parallel else {}
        touched = {*self._configs, *reviewed, *dropped}
        for key in sorted({configs[name].build for name in touched}):
            names = [name for name in configs if name in touched and configs[name].build == key]
            facts = _reviewed_facts(base.builds[key], {name: reviewed[name] for name in names if name in reviewed})
            if self._parallel:
                facts[DOMINANT_TEXTS] = {name: texts[name] for name in names if name in texts}
            build = build_id(facts)
            builds[build] = facts
            configs |= {name: replace(configs[name], build=build) for name in names}
        used = {config.build for config in configs.values()}
        builds = {key: value for key, value in builds.items() if key in used}
        return self._complete(Manifest(base.dominant, configs, builds, licence_of(builds), parallel=self._parallel))

    def _complete(self, manifest: Manifest) -> Manifest:
        card = render_card(manifest).encode()
        manifest = replace(manifest, files={CARD: hashlib.sha256(card).hexdigest()})
        write_durably(self._staging / CARD, card)
        write_durably(self._staging / MANIFEST, manifest.text().encode())
        sync_folders(self._staging)
        self._take_name()
        return manifest

    def _manifest(self, facts: BuildFacts) -> Manifest:
        recorded = redacted(asdict(facts))
        dropped = recorded.pop("dropped")
        recorded["licences"] = facts.licences()
        configs = {name: _config(written, "", dropped) for name, written in self._configs.items()}
        recorded["dropped"] = {stage: dict(counts) for stage, counts in dropped.items() if stage not in configs}
        if self._parallel and facts.dominant in self._configs:
            recorded[DOMINANT_TEXTS] = self._dominant_texts(facts.dominant, configs)
        build = build_id(recorded)
        configs = {name: replace(config, build=build) for name, config in configs.items()}
        builds: dict[str, Mapping[str, Any]] = {build: recorded}
        if self._base is not None:
            kept = self._keep_base(facts.dominant)
            configs = {**{name: kept.configs[name] for name in kept.configs if name not in configs}, **configs}
            builds = {**kept.builds, **builds}
        if facts.dominant not in configs:
            raise VersionError(f"A version needs its dominant side: nothing was written to config {facts.dominant!r}.")
        if self._parallel:  # else a language owes nothing to another
            configs = {name: _accounted(config, configs[facts.dominant]) for name, config in configs.items()}
        used = {config.build for config in configs.values()}
        builds = {key: value for key, value in builds.items() if key in used}
        return Manifest(
            dominant=facts.dominant,
            configs=dict(sorted(configs.items())),
            builds=builds,
            licence=licence_of(builds),
            parallel=self._parallel,
        )

    def _dominant_texts(self, dominant: str, configs: Mapping[str, Config]) -> dict[str, str]:
        """For each target config the hash of the dominant texts that its rows are translations of."""
        digests = text_digests(self._staging, configs[dominant])
        return {
            name: text_hash(self._staging, config, digests)
            for name, config in configs.items()
            if name != dominant and config.splits
        }

    def _keep_base(self, dominant: str) -> Manifest:
        """Copy every config of the base version that was not written again."""
        assert self._base is not None
        base = read_manifest(self._base)
        if base.dominant != dominant:
            raise VersionError(f"{self._base} has the dominant language {base.dominant}, this build {dominant}.")
        for name, config in base.configs.items():
            if name not in self._configs:
                for file in config.splits.values():
                    target = self._staging / file.path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    check_file(self._base, file.path, file.sha256)
                    shutil.copyfile(self._base / file.path, target)
        return base

    def _take_name(self) -> None:
        old = aside_path(self.out, _REPLACED)
        if self._replace and (self.out / MANIFEST).exists():
            self.out.rename(old)
        self._staging.rename(self.out)
        sync_folder(self.out.parent)
        sweep(made_aside(self.out, _REPLACED))


def _reviewed_facts(made: Mapping[str, Any], rounds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What made a build, and one more round of readers for some of its configs."""
    earlier = {name: list(before) for name, before in made.get("review", {}).items()}
    for name, readers in rounds.items():
        earlier[name] = [*earlier.get(name, []), dict(readers)]
    return {**made, "review": earlier} if earlier else dict(made)


def _check_free(out: Path, replace: bool) -> None:
    if out.is_symlink() and not out.exists():
        raise VersionError(f"{out} is a link to nowhere. Remove it, or choose another folder.")
    if out.is_dir() and not any(out.iterdir()):
        return
    if (out / MANIFEST).exists():
        if not replace:
            raise VersionExists(f"{out} holds a complete version already. Choose another folder, or remove it first.")
    elif out.exists():
        raise VersionError(f"{out} exists and is not a dataset version. Choose another folder.")


def _restore_replaced(out: Path) -> None:
    """Give a version its name back whose replacement was killed between its two renames."""
    for old in made_aside(out, _REPLACED):
        if not out.exists() and (old / MANIFEST).is_file():
            old.rename(out)


def _config(written: _Written, build: str, dropped: dict[str, dict[str, int]]) -> Config:
    name = f"{written.translator}.{written.language}" if written.translator else written.language
    reasons = dict(sorted(dropped.get(name, {}).items()))
    return Config(written.language, written.translator, build, dict(sorted(written.splits.items())), reasons)


def _accounted(config: Config, dominant: Config) -> Config:
    """Dominant pairs that a config lacks without a counted reason become a counted reason: nothing vanishes."""
    absent = dominant.rows - config.rows - sum(config.dropped.values())
    if config.build != dominant.build or absent <= 0:
        return config
    return replace(config, dropped=dict(sorted({**config.dropped, ABSENT: absent}.items())))


def _write_parquet(folder: Path, split: str, rows: Iterable[Row], where: str, language: str) -> SplitFile | None:
    """Stream `rows` into `folder`, one row group in memory at a time; the file is named after its content."""
    partial = folder / f"{split}.partial"
    summary = Summary()
    parts = _blocks(rows)
    first = next(parts, [])
    schema = schema_with(optional_values(first[0]) if first else ())
    with pq.ParquetWriter(partial, schema, compression="zstd", compression_level=3, version="2.6") as writer:
        for block in chain([first], parts) if first else ():
            for row in block:
                if row.side.language != language:
                    raise DataError(f"{where}, row {row.pair_id}: its language is {row.side.language!r}.")
                summary.see(row)
            writer.write_table(table_of(block, where, schema), row_group_size=ROW_GROUP)
    if summary.rows == 0:
        partial.unlink()
        return None
    digest, size = hash_file(partial), partial.stat().st_size
    name = f"{split}-{digest[:16]}.parquet"
    partial.rename(folder / name)
    return SplitFile(name, summary.rows, size, digest, summary.as_json(), dict(sorted(summary.categories.items())))


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while block := list(islice(source, ROW_GROUP)):
        yield block
