"""`publish`: a version's folder becomes one commit and one tag, whatever happens on the way.

Every round looks at the dataset afresh and decides from what it finds, so that a rerun after a kill, a lost answer and
another publisher are the same case:

    look      read head and tags; a commit whose tag is missing (its publisher was stopped) gets its tag first
    already   is this content a version already? then reload it and be done
    release   merge with what is there, diff, smallest allowed version, card, changelog, manifest
    prepare   create, make private, gate
    commit    one commit on the head that was looked at; if the head moved or nobody knows: look again
    tag       one tag
    reload    read every new file back by the tag and check its hash
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from mpodata.display.notebook import table
from mpodata.errors import VersionError, VersionExists
from mpodata.licences import obstacles
from mpodata.runtime.remote import RetryPolicy, Unanswered
from mpodata.versions.load import manifest_at
from mpodata.versions.manifest import Manifest, Release, licences_of, read_manifest
from mpodata.versions.reference import is_version_folder, parse_reference
from mpodata.versions.release import NextRelease, RemoteState, next_release
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.opening import open_store
from mpodata.versions.stores.protocol import Access, Change, Moved, Store
from mpodata.versions.verify import check_complete, check_folder

ROUNDS = 10  # how often other publishers may come first


@dataclass(frozen=True, slots=True)
class Published:
    """Where a folder's content can be found now."""

    name: str  # "user/name" or the dataset's folder
    version: str  # "1.2.0"
    commit: str
    new: bool  # False: this content was published before, nothing was changed
    changes: tuple[str, ...]  # what the version changed, in words
    notes: tuple[str, ...]  # what else was done: created, gated

    @property
    def reference(self) -> str:
        return f"{self.name}@v{self.version}"

    def _repr_html_(self) -> str:
        """Where it is now and what it changed, in a notebook."""
        state = "published" if self.new else "published before; nothing was changed"
        return table(f"{self.reference}: {state}", (), (), [f"Commit {self.commit[:12]}.", *self.changes, *self.notes])


def publish(
    folder: str | Path,
    to: str,
    *,
    version: str | None = None,
    public: bool = False,
    gated: bool = True,
    replace_all: bool = False,
    commercial_only: bool = False,
    store: Store | None = None,
    patience: RetryPolicy | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Publish the version in `folder` to the dataset `to`: `user/name` on the Hub, or a folder ROOT/NAME.

    Args: version: used instead of the smallest allowed one, never smaller. public: create the dataset public, and
    accept a public one, for harmful completions too. gated: make readers ask where completions are harmful.
    replace_all: drop configs that the folder does not have (else they are kept). commercial_only: refuse a version with
    a part whose licence forbids commercial use or does not say. say: told each step, for progress.

    Raises VersionError where the version cannot be published, RemoteError where the Hub does not answer. Rerunning
    after any failure, kill included, continues.
    """
    path = Path(folder)
    local = read_manifest(path)
    wanted = SemVer.parse(version) if version else None
    for made in local.builds.values():
        lost = [name for name in made.get("unanswered", {}) if name in local.configs]
        if empty := [name for name in lost if not local.configs[name].rows]:
            raise VersionError(
                f"{path} has no rows in {', '.join(empty)}: a service was down when it was built. Build it again."
            )
    if commercial_only:
        check_commercial(local, str(path))
    say("checking the folder")
    check_folder(path, local)
    check_complete(path, local)
    store = store or dataset_store(to)
    say(f"publishing to {store.name} in {store.place}{_folder_hint(store)}")
    publisher = _Publisher(store, patience or RetryPolicy(), say, commercial_only)
    return publisher.publish(path, local, wanted, replace_all=replace_all, public=public, gated=gated)


def _folder_hint(store: Store) -> str:
    """What to write instead where a Hub id could have been meant as a folder."""
    return f" (write ./{store.name} for the folder of that name)" if store.place == "the Hub" else ""


def check_commercial(manifest: Manifest, where: str) -> None:
    """Raise VersionError where a part of a version forbids commercial use, or may by a licence nobody can judge."""
    if against := obstacles(licences_of(manifest.builds)):
        raise VersionError(
            f"{where} is not for commercial use alone: {'; '.join(against)}. Make it without these parts, or leave "
            "--commercial-only out."
        )


def dataset_store(to: str) -> Store:
    """The store of a dataset's bare name; raises VersionError for what cannot be one. Asks no service."""
    reference = parse_reference(to)
    if reference.version or reference.translator or is_version_folder(reference.name):
        raise VersionError(
            f"{to!r} is one version; publish to a dataset: user/name or ROOT/NAME. --version sets the version."
        )
    return open_store(reference.name)


@dataclass(frozen=True, slots=True)
class _Publisher:
    """The rounds of one publish."""

    store: Store
    patience: RetryPolicy
    say: Callable[[str], None]
    commercial_only: bool

    def publish(
        self, folder: Path, local: Manifest, wanted: SemVer | None, *, replace_all: bool, public: bool, gated: bool
    ) -> Published:
        notes: list[str] = []
        for _ in range(ROUNDS):
            look = self._look()
            if (release := _already(look, local, wanted)) is not None:
                return self._found(release, notes)
            ready = next_release(look, folder, local, wanted, replace_all=replace_all)
            if ready is None:
                assert look.manifest is not None
                return self._found(look.manifest.history[-1], notes)
            if self.commercial_only:  # what the dataset holds already counts too
                check_commercial(ready.manifest, self.store.name)
            harmful = ready.manifest.holds_harmful_completions()
            done = self.store.prepare(Access(harmful=harmful, private=not public, gated=gated and harmful))
            notes += done
            if look.head is None and self.store.head() is not None:
                continue  # there is a commit to build on now: that of making the dataset, or another publisher's
            try:
                commit = self._commit(look.head, ready.change)
            except Moved:
                self.say("another publisher came first: looking again")
                self.patience.pause()
                continue
            return self._finish(ready, commit, notes)
        raise VersionError(f"{self.store.name} kept changing: {ROUNDS} attempts met another publisher. Rerun later.")

    def _look(self) -> RemoteState:
        head = self.store.head()
        if head is None:
            return RemoteState(self.store, None, None, {})
        manifest, tags = manifest_at(self.store, head), self.store.tags()
        if manifest is not None and manifest.version is not None:
            version = SemVer.parse(manifest.version)
            if version not in tags:
                self.say(f"tagging {version.tag}, which was committed but not tagged")
                self._tag(version, head)
                tags = {**tags, version: head}
        return RemoteState(self.store, head, manifest, tags)

    def _commit(self, parent: str | None, change: Change) -> str:
        """One commit. An answer that got lost shows as a head that moved: then look again."""
        self.say(f"committing {change.message.partition(chr(10))[0]}: {len(change.write)} files to write")

        def commit() -> str:
            try:
                return self.store.commit(parent, change)
            except Unanswered as error:
                if self.store.head() != parent:
                    raise Moved(str(error)) from error
                raise

        return self.patience.repeat(commit)

    def _tag(self, version: SemVer, commit: str) -> None:
        """One tag. It may be there already: set by a lost request of ours, or by a publisher who came after us."""

        def tag() -> None:
            try:
                self.store.tag(version, commit)
            except (Unanswered, VersionExists):
                if self.store.tags().get(version) != commit:
                    raise

        self.patience.repeat(tag)

    def _finish(self, ready: NextRelease, commit: str, notes: list[str]) -> Published:
        self._tag(ready.version, commit)
        self.say(f"reloading {ready.version.tag} and checking every hash")
        commit = reload(self.store, ready.version, fresh=ready.change.write)
        return Published(self.store.name, str(ready.version), commit, True, ready.lines, tuple(notes))

    def _found(self, release: Release, notes: list[str]) -> Published:
        self.say(f"v{release.version} holds this content already: checking every hash")
        commit = reload(self.store, SemVer.parse(release.version))
        return Published(self.store.name, release.version, commit, False, (), tuple(notes))


def _already(look: RemoteState, local: Manifest, wanted: SemVer | None) -> Release | None:
    """The published version that holds this content: what makes rerunning safe."""
    content = local.content()
    for release in reversed(look.manifest.history if look.manifest else ()):
        if release.content == content and (wanted is None or str(wanted) == release.version):
            return release
    return None


def reload(store: Store, version: SemVer, fresh: Collection[str] | None = None) -> str:
    """Read a published version back by its tag and check every hash; returns its commit. Raises VersionError.

    Files outside `fresh` are taken at the hash the store lists, where it lists one; None reads everything anew.
    """
    tags = store.tags()
    if version not in tags:
        raise VersionError(f"{store.name} has no tag {version.tag} any more, though its history lists that version.")
    commit = tags[version]
    manifest = manifest_at(store, commit)
    if manifest is None or manifest.version != str(version):
        raise VersionError(f"The tag {version.tag} of {store.name} does not point at version {version}.")
    listed = store.paths(commit)
    expected = {**manifest.files, **{path: file.sha256 for path, file in manifest.parquet_files().items()}}
    for path, sha256 in expected.items():
        if path not in listed:
            raise VersionError(f"{store.name}@{version.tag} lacks {path}.")
        stated = listed[path] if fresh is not None and path not in fresh else None
        if (stated or store.digest(commit, path)) != sha256:
            raise VersionError(f"{store.name}@{version.tag}: {path} is not what was published. Do not use it.")
    return commit
