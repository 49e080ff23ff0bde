"""A publisher in a process of its own, to be killed. Started from a server process that has everything imported."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import huggingface_hub
from huggingface_hub.utils.tqdm import disable_progress_bars

from mpodata.versions.publish import publish
from mpodata.versions.stores.folder import FolderStore
from mpodata.versions.stores.hub import HubStore


def context() -> ForkServerContext:
    forkserver = multiprocessing.get_context("forkserver")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)  # else it cannot find this module
    forkserver.set_forkserver_preload([__name__])
    return forkserver


def start_on_hub(folder: Path, endpoint: str, token: str, cache: Path) -> BaseProcess:
    process = context().Process(target=_publish_on_hub, args=(folder, endpoint, token, cache), daemon=True)
    process.start()
    return process


def start_in_folder(folder: Path, dataset: Path) -> BaseProcess:
    """Returns when the publish begins."""
    begun = context().Event()
    process = context().Process(target=_publish_in_folder, args=(folder, dataset, begun), daemon=True)
    process.start()
    assert begun.wait(60)
    return process


def _publish_on_hub(folder: Path, endpoint: str, token: str, cache: Path) -> None:
    huggingface_hub.constants.HF_HUB_OFFLINE = False
    huggingface_hub.constants.HF_HUB_DISABLE_XET = True
    disable_progress_bars()
    publish(folder, "ana/demo", store=HubStore("ana/demo", endpoint=endpoint, token=token, cache=cache))


def _publish_in_folder(folder: Path, dataset: Path, begun: Event) -> None:
    begun.set()
    publish(folder, str(dataset), store=FolderStore(dataset))
