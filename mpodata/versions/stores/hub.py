"""A dataset on the Hugging Face Hub: one `create_commit` per version, then one tag."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    DatasetInfo,
    HfApi,
    get_session,
    get_token,
    is_offline_mode,
    scan_cache_dir,
)
from huggingface_hub.errors import CacheNotFound, EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from mpodata.errors import RemoteError, VersionError, VersionExists
from mpodata.runtime.files import hash_file
from mpodata.runtime.remote import RetryPolicy
from mpodata.versions.manifest import MANIFEST
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.hub_errors import HUB_ERRORS, WRAPPED_ERRORS, explained
from mpodata.versions.stores.protocol import Access, Change

Result = TypeVar("Result")

KIND = "dataset"
DEADLINE = 120.0  # seconds without a byte; the client's own default is to wait for ever


class HubStore:
    """The dataset repository `name`. The token is the client's own (`hf auth login`, HF_TOKEN) unless one is given."""

    place = "the Hub"
    remote = True

    def __init__(
        self,
        name: str,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        cache: Path | None = None,
        patience: RetryPolicy | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self.name = self.published_name = name
        self._cache = cache
        self._patience = patience or RetryPolicy()
        self._deadline = deadline
        self._signed_in = (token or get_token()) is not None
        self._api = HfApi(endpoint=endpoint, token=token, library_name="mpodata")

    def head(self) -> str | None:
        try:
            return self._read("read", lambda: self._api.dataset_info(self.name, revision="main").sha)
        except VersionError as error:
            if isinstance(error.__cause__, RepositoryNotFoundError) and self._signed_in:
                return None
            raise

    def tags(self) -> dict[SemVer, str]:
        """The published versions; with HF_HUB_OFFLINE those that this machine has loaded before."""
        if is_offline_mode():
            return self._cached_tags()
        refs = self._read("read the versions of", lambda: self._api.list_repo_refs(self.name, repo_type=KIND))
        tagged = ((SemVer.of_tag(tag.name), tag.target_commit) for tag in refs.tags)
        return {version: commit for version, commit in tagged if version is not None}

    def _cached_tags(self) -> dict[SemVer, str]:
        try:
            repos = scan_cache_dir(self._cache).repos
        except CacheNotFound:
            repos = frozenset()
        refs = {
            ref: revision.commit_hash
            for repo in repos
            if (repo.repo_type, repo.repo_id) == (KIND, self.name)
            for ref, revision in repo.refs.items()
        }
        tags = {version: commit for ref, commit in refs.items() if (version := SemVer.of_tag(ref)) is not None}
        if not tags:
            raise RemoteError(f"HF_HUB_OFFLINE is set and this machine never loaded {self.name}. Unset it to load.")
        return tags

    def remember(self, version: SemVer) -> None:
        if not is_offline_mode():
            self._download(version.tag, MANIFEST)  # the client's cache notes the commit of a tag that it resolved

    def paths(self, commit: str) -> dict[str, str | None]:
        tree = self._read("read", lambda: list(self._tree(commit)))
        return dict(tree)

    def _tree(self, commit: str) -> Iterator[tuple[str, str | None]]:
        for entry in self._api.list_repo_tree(self.name, repo_type=KIND, revision=commit, recursive=True):
            if isinstance(entry, RepoFile):
                yield entry.path, entry.lfs.sha256 if entry.lfs else None

    def read(self, commit: str, path: str) -> bytes | None:
        try:
            return self._download(commit, path).read_bytes()
        except VersionError as error:
            if isinstance(error.__cause__, EntryNotFoundError):
                return None
            raise

    def fetch(self, commit: str, paths: Iterable[str]) -> Path:
        """The folder of the client's cache; what is there already needs no network."""
        folders = [self._download(commit, path).parents[path.count("/")] for path in paths]
        return folders[0]

    def _download(self, commit: str, path: str) -> Path:
        def download() -> str:
            return self._api.hf_hub_download(self.name, path, repo_type=KIND, revision=commit, cache_dir=self._cache)

        return Path(self._read("download", download))

    def digest(self, commit: str, path: str) -> str:
        def download() -> str:
            with TemporaryDirectory(prefix="mpodata-") as folder:
                file = self._api.hf_hub_download(self.name, path, repo_type=KIND, revision=commit, local_dir=folder)
                return hash_file(Path(file))

        return self._read("reload", download)

    def prepare(self, access: Access) -> list[str]:
        info = self._info()
        done = []
        if info is None:
            self._read("create", lambda: self._api.create_repo(
                self.name, repo_type=KIND, private=access.private, exist_ok=True))  # fmt: skip
            done.append(f"created {'private' if access.private else 'public'} dataset {self.name}")
        elif access.harmful and access.private and not info.private:
            raise VersionError(
                f"{self.name} is public and this version holds harmful completions. Make it private on the Hub, or say "
                "--public."
            )
        if access.gated and not (info is not None and info.gated):
            self._read("gate", lambda: self._api.update_repo_settings(self.name, repo_type=KIND, gated="manual"))
            done.append(f"gated {self.name}: readers ask for access")
        return done

    def _info(self) -> DatasetInfo | None:
        try:
            return self._read("read", lambda: self._api.dataset_info(self.name))
        except VersionError as error:
            if isinstance(error.__cause__, RepositoryNotFoundError) and self._signed_in:
                return None
            raise

    def commit(self, parent: str | None, change: Change) -> str:
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, content) for path, content in sorted(change.write.items())
        ]
        operations += [CommitOperationDelete(path) for path in sorted(change.delete)]
        title, _, body = change.message.partition("\n\n")
        with self._explained("publish"):
            return self._api.create_commit(
                self.name,
                operations,
                commit_message=title,
                commit_description=body,
                repo_type=KIND,
                revision="main",
                parent_commit=parent,
            ).oid

    def tag(self, version: SemVer, commit: str) -> None:
        try:
            with self._explained("tag"):
                self._api.create_tag(self.name, tag=version.tag, revision=commit, repo_type=KIND)
        except VersionError as error:
            cause = error.__cause__
            if isinstance(cause, HfHubHTTPError) and cause.response.status_code == 409:
                raise VersionExists(f"{self.name}@{version.tag} exists already.") from cause
            raise

    def _read(self, action: str, ask: Callable[[], Result]) -> Result:
        """Ask what may be asked twice, until it is answered."""

        def once() -> Result:
            with self._explained(action):
                return ask()

        return self._patience.repeat(once)

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        get_session().timeout = self._deadline
        try:
            yield
        except (*HUB_ERRORS, *WRAPPED_ERRORS) as error:
            cause = error.__cause__ if isinstance(error, WRAPPED_ERRORS) else error
            if not isinstance(cause, HUB_ERRORS):
                raise
            raise explained(cause, self.name, action, signed_in=self._signed_in) from cause
