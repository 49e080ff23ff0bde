"""What a dataset holds after a folder is published to it: the folder's configs and those it leaves alone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mpodata.errors import VersionError
from mpodata.versions.card import parse_front_matter
from mpodata.versions.diff import Locate, config_diff
from mpodata.versions.manifest import Manifest, licence_of


def merged(folder: Manifest, head: Manifest, folder_files: Locate, head_files: Locate) -> Manifest:
    """`folder` on top of `head`: configs that the folder does not have are kept as they are.

    Kept configs are translations of the dominant side. Raises VersionError where that side changed under them.
    """
    kept = {name: config for name, config in head.configs.items() if name not in folder.configs}
    if kept:
        _check_dominant(folder, head, list(kept), folder_files, head_files)
    configs = dict(sorted({**kept, **folder.configs}.items()))
    used = {config.build for config in configs.values()}
    builds = {key: facts for key, facts in {**head.builds, **folder.builds}.items() if key in used}
    return replace(folder, configs=configs, builds=builds, licence=licence_of(builds))


def _check_dominant(
    folder: Manifest, head: Manifest, kept: list[str], folder_files: Locate, head_files: Locate
) -> None:
    remedy = (
        f"Build {', '.join(kept)} again from this dominant side and publish everything together, or say --replace to "
        "drop what the folder does not have (a major version)."
    )
    if folder.dominant != head.dominant:
        raise VersionError(
            f"The dominant language of the folder is {folder.dominant}, that of {head.name}@v{head.version} is "
            f"{head.dominant}. {remedy}"
        )
    name = folder.dominant
    change = config_diff(name, head.configs[name], folder.configs[name], head_files, folder_files)
    if change.rows_removed or change.rows_changed:
        raise VersionError(
            f"The dominant side {name!r} differs from that of {head.name}@v{head.version} ({change.rows_changed} rows "
            f"changed, {change.rows_removed} removed), so its other configs would lose their pairs. {remedy}"
        )


def other_configs(card: str, head: Manifest | None, ours: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """Configs in the front matter of the card that is there which mpodata did not make: kept, never overwritten.

    Raises VersionError where one of them has the name of a config of ours.
    """
    listed = parse_front_matter(card).get("configs") or []
    entries = [dict(entry) for entry in listed if isinstance(entry, dict) and "config_name" in entry]
    made = set(head.configs) if head else set()
    others = [entry for entry in entries if entry["config_name"] not in made]
    for entry in others:
        entry.pop("default", None)  # there is one default: our dominant side
        if entry["config_name"] in set(ours):
            raise VersionError(
                f"The dataset has a config {entry['config_name']!r} already that mpodata did not make. Publish to "
                "another name, or rename that config."
            )
    return tuple(others)
