"""CHANGELOG.md of a dataset: one entry per version, generated from the diff."""

from mpodata.versions.diff import VersionDiff
from mpodata.versions.manifest import Manifest

_TITLE = "# Changelog\n\nOne entry per version, newest first.\n"


def first_entry(manifest: Manifest) -> list[str]:
    """What the first version says of itself."""
    rows = sum(config.rows for config in manifest.configs.values())
    return [f"First version: {len(manifest.configs)} configs, {rows} rows."]


def diff_entry(change: VersionDiff) -> list[str]:
    """What a later version says: rows by config, then the quality that moved."""
    lines = change.lines() or ["Published again without a change."]
    for config in change.configs:
        if config.quality and config.state in ("changed", "same"):
            moved = ", ".join(f"{name} {_figure(old)} → {_figure(new)}" for name, (old, new) in config.quality.items())
            lines.append(f"`{config.config}` quality: {moved}.")
    return lines


def with_entry(changelog: str, version: str, lines: list[str]) -> str:
    """`changelog` with an entry on top."""
    entry = f"\n## v{version}\n\n" + "".join(f"- {line}\n" for line in lines)
    _, _, earlier = changelog.partition("\n## ")
    return _TITLE + entry + (f"\n## {earlier}" if earlier else "")


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}"
