"""From a dataset's name to the store that holds it."""

from pathlib import Path

from mpodata.hub import is_hub_id
from mpodata.versions.stores.folder import FolderStore
from mpodata.versions.stores.protocol import Store


def open_store(name: str) -> Store:
    """The store behind a dataset's name: `user/name` on the Hub, or a folder ROOT/NAME."""
    if is_hub_id(name):
        from mpodata.versions.stores.hub import HubStore  # brings huggingface_hub

        return HubStore(name)
    return FolderStore(Path(name).expanduser())
