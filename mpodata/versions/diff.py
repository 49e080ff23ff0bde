"""What changed between two versions, row by row, and the smallest version step that it asks for."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mpodata.display.notebook import table
from mpodata.records import FIELDS
from mpodata.versions.card_facts import measures
from mpodata.versions.load import LoadedVersion
from mpodata.versions.manifest import Config, Manifest
from mpodata.versions.schema import read_groups
from mpodata.versions.semver import Bump

Locate = Callable[[list[str]], Path]  # paths of a version -> a local folder that holds them


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """One config in two versions."""

    config: str
    state: str  # "added", "removed", "changed", "rewritten" (same rows, other bytes) or "same"
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0  # same pair_id, other content or other split
    quality: dict[str, tuple[float | None, float | None]] | None = None  # measure -> (before, after), where they differ


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What changed from one version to the next."""

    configs: tuple[ConfigDiff, ...]
    schema_changed: bool = False
    dominant_changed: bool = False
    facts_changed: bool = False  # what the manifest records besides rows: builds, counts, licence

    @property
    def bump(self) -> Bump:
        """The smallest step that is honest about the change."""
        lost = any(c.state == "removed" or c.rows_removed or c.rows_changed for c in self.configs)
        if self.schema_changed or self.dominant_changed or lost:
            return Bump.MAJOR
        if any(c.state == "added" or c.rows_added for c in self.configs):
            return Bump.MINOR
        rewritten = any(c.state == "rewritten" for c in self.configs)
        return Bump.PATCH if self.facts_changed or rewritten else Bump.NONE

    def lines(self) -> list[str]:
        """The change in words, one line per config that is not the same."""
        told = [_labelled(config) for config in self.configs if config.state != "same"]
        if self.schema_changed:
            told.insert(0, "The schema changed.")
        if self.dominant_changed:
            told.insert(0, "The dominant language changed.")
        if self.facts_changed and not told:
            told.append("Only metadata changed.")
        return told

    def _repr_html_(self) -> str:
        """Rows of each config that came, went or changed, in a notebook."""
        rows = [(c.config, c.state, c.rows_added, c.rows_removed, c.rows_changed) for c in self.configs]
        notes = [line for line in self.lines() if "`" not in line]
        caption = f"Smallest version step: {self.bump.name.lower()}"
        return table(caption, ("config", "state", "rows added", "removed", "changed"), rows, notes)

    def as_json(self) -> dict[str, Any]:
        return {"bump": self.bump.name.lower(), **asdict(self)}


def compare(old: LoadedVersion, new: LoadedVersion) -> VersionDiff:
    """The diff of two versions that references resolved to.

    Raises VersionError where a file on this machine is missing or changed, also where the recorded hashes are equal.
    """
    for version in (old, new):
        version.check_files_here()
    return diff(old.manifest, new.manifest, old.fetch, new.fetch)


def diff(old: Manifest, new: Manifest, old_files: Locate, new_files: Locate) -> VersionDiff:
    """Compare two manifests; the rows of a config are read only where its files differ.

    Holds one 16-byte hash per row of one config in memory.
    """
    names = sorted({*old.configs, *new.configs})
    return VersionDiff(
        configs=tuple(
            config_diff(name, old.configs.get(name), new.configs.get(name), old_files, new_files) for name in names
        ),
        schema_changed=old.schema != new.schema,
        dominant_changed=old.dominant != new.dominant,
        facts_changed=old.content() != new.content() or old.licence != new.licence,
    )


def config_diff(name: str, old: Config | None, new: Config | None, old_files: Locate, new_files: Locate) -> ConfigDiff:
    """Compare one config of two versions; None where a version lacks it."""
    if old is None:
        return ConfigDiff(name, "added", rows_added=new.rows if new else 0)
    if new is None:
        return ConfigDiff(name, "removed", rows_removed=old.rows)
    if _hashes(old) == _hashes(new):
        return ConfigDiff(name, "same", quality=_deltas(old, new))
    before, after = _rows(old, old_files), _rows(new, new_files)
    common = before.keys() & after.keys()
    added, removed = len(after) - len(common), len(before) - len(common)
    changed = sum(before[pair_id] != after[pair_id] for pair_id in common)
    state = "changed" if added or removed or changed else "rewritten"
    return ConfigDiff(name, state, added, removed, changed, _deltas(old, new))


def _hashes(config: Config) -> dict[str, str]:
    return {split: file.sha256 for split, file in config.splits.items()}


def _rows(config: Config, files: Locate) -> dict[str, bytes]:
    """pair_id -> hash of the row and of the split it is in.

    A row that names no translators has the config's: naming them, as others of the config have to, is no change.
    """
    folder = files([file.path for file in config.splits.values()])
    makers = {"translators": dict.fromkeys(FIELDS, config.translator)}
    return {
        row["pair_id"]: hashlib.blake2b(
            json.dumps([split, {**makers, **row}], sort_keys=True).encode(), digest_size=16
        ).digest()
        for split, file in config.splits.items()
        for table in read_groups(folder / file.path)
        for row in table.to_pylist()
    }


def _deltas(old: Config, new: Config) -> dict[str, tuple[float | None, float | None]] | None:
    before, after = measures(old), measures(new)
    names: Iterable[str] = sorted({*before, *after})
    changed = {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
    return changed or None


def _labelled(config: ConfigDiff) -> str:
    if config.state in ("added", "removed"):
        return f"`{config.config}` {config.state}: {config.rows_added or config.rows_removed} rows."
    if config.state == "rewritten":
        return f"`{config.config}` rewritten: the same rows in other bytes."
    counts = (("added", config.rows_added), ("removed", config.rows_removed), ("changed", config.rows_changed))
    return f"`{config.config}`: " + ", ".join(f"{count} rows {what}" for what, count in counts if count) + "."
