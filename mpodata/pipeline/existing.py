"""Versions that exist already: the one in the folder a build writes to, and the one that it adds to."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mpodata.errors import VersionError
from mpodata.hub import redacted
from mpodata.languages import language
from mpodata.pipeline.results import Kept
from mpodata.recipe import Recipe
from mpodata.records import content_id
from mpodata.runtime.files import hash_file
from mpodata.versions.manifest import MANIFEST, RETRIED_DROPS, BuildFacts, Config, Manifest, read_manifest
from mpodata.versions.schema import Row, read_groups, read_rows

COMPARED: Final = ("recipe", "source", "policy", "sampling", "translators", "detector", "checks")
RULE_KEYS: Final = {"version", "tables", "rules", "prompt", "prefix", "carrying", "thresholds"}  # what names the rules


def finished_build(out: Path, facts: BuildFacts) -> Manifest | None:
    """The complete version in `out` if it was made from these facts; raises VersionError where its files are broken."""
    if not (out / MANIFEST).is_file():
        return None
    manifest = read_manifest(out)
    wanted = json.loads(json.dumps(asdict(facts)))
    if not any(same_facts(made, wanted) for made in manifest.builds.values()):
        return None
    broken = [file.path for file in manifest.parquet_files().values() if hash_file(out / file.path) != file.sha256]
    if broken:
        raise VersionError(f"{out / broken[0]} is not what its build wrote. Remove {out} and build again.")
    return manifest


def same_facts(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Was a build `made` from the facts `wanted`: the same recipe, components, tables and prompts?

    A manifest written before the tables were hashed cannot say which they were; the rest has to agree.
    """
    ours, theirs = _compared(wanted), _compared(made)
    theirs["recipe"] = {**json.loads(json.dumps(Recipe().as_dict())), **theirs["recipe"]}  # keys that are newer
    if "tables" not in theirs["checks"]:
        ours, theirs = _without_rules(ours), _without_rules(theirs)
    return bool(ours == theirs)


def _compared(facts: Mapping[str, Any]) -> dict[str, Any]:
    checks = {key: value for key, value in facts["checks"].items() if key != "flagged"}
    # Without secrets: a manifest never holds them, so that a changed key or password is the same build.
    return dict(redacted({key: facts.get(key) for key in COMPARED} | {"checks": checks}))


def _without_rules(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_rules(item) for key, item in value.items() if key not in RULE_KEYS}
    return [_without_rules(item) for item in value] if isinstance(value, list) else value


def unanswered(dropped: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Config or stage -> rows lost to a service or an engine that was down: the same command asks for them again."""
    counts = {
        stage: sum(count for reason, count in reasons.items() if reason in RETRIED_DROPS)
        for stage, reasons in dropped.items()
    }
    return {stage: count for stage, count in sorted(counts.items()) if count}


def may_heal(manifest: Manifest) -> bool:
    """Were rows lost to a service or an engine that was down?"""
    return bool(unanswered({name: config.dropped for name, config in manifest.configs.items()}))


class BaseVersion:
    """A version that a build adds configs to; the configs that the build does not write stay byte for byte."""

    def __init__(self, folder: Path, dominant: str) -> None:
        """Raises VersionError where the dominant languages differ."""
        self.folder = folder
        self.manifest = read_manifest(folder)
        if self.manifest.dominant != dominant:
            raise VersionError(
                f"{folder} has the dominant language {self.manifest.dominant}, this build {dominant}: "
                "they cannot be one version."
            )

    def pair_ids(self) -> list[str]:
        """The pairs of the dominant side, in their order."""
        return list(self._pair_ids(self.manifest.configs[self.manifest.dominant]))

    def check_dominant(self, rows: Iterable[Kept], written: Collection[str]) -> None:
        """Raise VersionError where a config that stays would translate a dominant side that this build changes.

        `rows` is the new dominant side; `written` names the configs of this build.
        """
        dominant = self.manifest.dominant
        staying = {
            name: config
            for name, config in self.manifest.configs.items()
            if name != dominant and name not in written and config.rows
        }
        needed = {pair_id for config in staying.values() for pair_id in self._pair_ids(config)}
        sides = {
            row.pair_id: (split, _text_id(row))
            for split, file in self.manifest.configs[dominant].splits.items()
            for row in read_rows(self.folder / file.path)
            if row.pair_id in needed
        }
        changes: Counter[str] = Counter()
        for kept in rows:
            before = sides.pop(kept.row.pair_id, None)
            if before is not None and before[1] != _text_id(kept.row):
                changes["say something else"] += 1
            elif before is not None and before[0] != kept.split:
                changes["are in another split"] += 1
        if sides:
            changes["are gone"] += len(sides)
        if changes:
            what = ", ".join(f"{count} {change}" for change, count in changes.most_common())
            raise VersionError(
                f"This build's {language(dominant).name} side is not that of {self.folder}: of the pairs in "
                f"{', '.join(sorted(staying))}, {what}. Their translations would stand beside other text. Build with "
                "that version's source, model, sampling and selection, or without --add-to."
            )

    def _pair_ids(self, config: Config) -> Iterable[str]:
        for file in config.splits.values():
            for table in read_groups(self.folder / file.path, ["pair_id"]):
                yield from table.column("pair_id").to_pylist()


def _text_id(row: Row) -> str:
    return content_id(row.side.prompt, row.side.chosen, row.side.rejected)
