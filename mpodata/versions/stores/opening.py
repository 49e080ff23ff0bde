"""From a dataset's name to the store that holds it."""

from pathlib import Path

from mpodata.errors import VersionError
from mpodata.hub import is_hub_id
from mpodata.versions.stores.folder import FolderStore
from mpodata.versions.stores.protocol import Store


def open_store(name: str) -> Store:
    """The store behind a dataset's name: `user/name` on the Hub, or a folder ROOT/NAME.

    Raises VersionError for a bare name, which could be either.
    """
    if is_hub_id(name):
        from mpodata.versions.stores.hub import HubStore  # brings huggingface_hub

        return HubStore(name)
    if not (name.startswith(("/", ".", "~")) or name.count("/") > 1 or _begins_with_a_folder(name)):
        raise VersionError(f"{name!r} is neither a folder nor a Hub id. Write user/{name} or ./{name}.")
    return FolderStore(Path(name).expanduser())


def _begins_with_a_folder(name: str) -> bool:
    return Path(name).is_dir() or ("/" in name and Path(name.partition("/")[0]).is_dir())
