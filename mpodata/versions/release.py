"""The next version of a dataset: what a folder adds to it, what that must be called, and the commit that makes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpodata.errors import VersionError, VersionExists
from mpodata.versions.card import render_card
from mpodata.versions.changelog import diff_entry, first_entry, with_entry
from mpodata.versions.diff import VersionDiff, diff
from mpodata.versions.load import check_file
from mpodata.versions.manifest import CARD, CHANGELOG, MANIFEST, Manifest, Release
from mpodata.versions.merge import merged, other_configs
from mpodata.versions.semver import FIRST, Bump, SemVer
from mpodata.versions.stores.protocol import Change, Store


@dataclass(frozen=True, slots=True)
class RemoteState:
    """A dataset as it was found at one moment."""

    store: Store
    head: str | None
    manifest: Manifest | None  # of the head; None where mpodata published nothing yet
    tags: Mapping[SemVer, str]

    def files(self, paths: list[str]) -> Path:
        """A local folder that holds these files of the head, each what its manifest recorded."""
        assert self.head is not None
        folder = self.store.fetch(self.head, paths)
        recorded = self.manifest.parquet_files() if self.manifest else {}
        for path in paths:
            if path in recorded:
                check_file(folder, path, recorded[path].sha256)
        return folder

    def text(self, path: str) -> str:
        """A text file of the head; empty where there is none."""
        data = None if self.head is None else self.store.read(self.head, path)
        return (data or b"").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class NextRelease:
    """One version, ready to be committed."""

    version: SemVer
    manifest: Manifest
    change: Change
    lines: tuple[str, ...]  # what it changes, in words


def next_release(
    look: RemoteState, folder: Path, local: Manifest, wanted: SemVer | None, *, replace_all: bool
) -> NextRelease | None:
    """What publishing `folder` makes of the dataset; None where it holds everything in the folder already."""
    target, step = local, None
    if look.manifest is not None:
        if not replace_all:
            target = merged(local, look.manifest, lambda _: folder, look.files)
        step = diff(look.manifest, target, look.files, lambda _: folder)
        if step.bump is Bump.NONE and wanted is None:
            return None
    version = next_version(look, step, wanted)
    lines = first_entry(target) if step is None else diff_entry(step)
    manifest, texts = _documents(look, target, version, Release(str(version), local.content()), lines)
    change = _change(look, folder, local, manifest, texts, version, lines)
    return NextRelease(version, manifest, change, tuple(lines))


def next_version(look: RemoteState, step: VersionDiff | None, wanted: SemVer | None) -> SemVer:
    """The smallest version that is honest about the step, or the wanted one where that is large enough."""
    published = list(look.tags)
    if look.manifest is not None and look.manifest.version is not None:
        published.append(SemVer.parse(look.manifest.version))
    newest = max(published, default=None)
    if newest is None:
        return wanted or FIRST
    name = look.store.name
    if wanted is not None and wanted in look.tags:
        raise VersionExists(f"{name}@{wanted.tag} exists and holds other content. Versions are immutable.")
    bump = Bump.MAJOR if step is None else step.bump
    least = newest.bumped(max(bump, Bump.PATCH))
    if wanted is not None and wanted < least:
        why = " ".join(step.lines()) if step else "Nobody can compare it with what is there."
        kind = f"a {bump.name.lower()} change" if bump else "a version with the same content"
        raise VersionError(
            f"{wanted.tag} is too small after {newest.tag} of {name}: {kind} needs {least.tag} or more. {why}".strip()
        )
    return wanted or least


def _documents(
    look: RemoteState, target: Manifest, version: SemVer, release: Release, lines: list[str]
) -> tuple[Manifest, dict[str, str]]:
    """The manifest of the new version, and the three text files that go with it."""
    head = look.manifest
    manifest = replace(
        target,
        name=look.store.published_name,
        version=str(version),
        history=(*(head.history if head else ()), release),
        other_configs=other_configs(look.text(CARD), head, target.configs),
    )
    earlier = look.text(CHANGELOG) if head else ""
    texts = {CARD: render_card(manifest), CHANGELOG: with_entry(earlier, str(version), lines)}
    manifest = replace(manifest, files={path: _sha256(text) for path, text in texts.items()})
    return manifest, {**texts, MANIFEST: manifest.text()}


def _change(
    look: RemoteState, folder: Path, local: Manifest, manifest: Manifest, texts: dict[str, str], version: SemVer,
    lines: list[str],
) -> Change:  # fmt: skip
    """Write what the head lacks, delete what the version no longer has; equal files are not touched."""
    present = {} if look.head is None else look.store.paths(look.head)
    write: dict[str, Path | bytes] = {path: text.encode() for path, text in texts.items()}
    for path in manifest.parquet_files():
        if path not in present:
            if path not in local.parquet_files():
                raise VersionError(f"{path} is gone from the newest commit of {look.store.name}: restore it first.")
            write[path] = folder / path
    before = look.manifest.parquet_files() if look.manifest else {}
    gone = sorted(path for path in before if path in present and path not in manifest.parquet_files())
    return Change(write, gone, f"{version.tag}\n\n" + "\n".join(f"- {line}" for line in lines))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
