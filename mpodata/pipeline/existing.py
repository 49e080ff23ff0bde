"""Versions that exist already: the one in the folder a build writes to."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mpodata.errors import VersionError
from mpodata.hub import redacted
from mpodata.pipeline.stages import ASK_AGAIN
from mpodata.recipe import Recipe
from mpodata.runtime.files import hash_file
from mpodata.versions.manifest import MANIFEST, BuildFacts, Manifest, read_manifest

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


def may_heal(manifest: Manifest) -> bool:
    """Were rows lost to a service or an engine that was down? Then the same command tries them again."""
    counts = [config.dropped for config in manifest.configs.values()]
    return any(reason in ASK_AGAIN for reasons in counts for reason in reasons)
