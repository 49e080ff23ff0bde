"""The loopback Hub, spoken to by the real client in this process."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.utils.tqdm import disable_progress_bars

from mpodata.versions.stores.hub import HubStore
from tests.fakes.hub import LoopbackHub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub with two accounts, ana and ben. Waits between retries are cut to a hundredth of a second."""
    disable_progress_bars()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with LoopbackHub() as served:
        served.user("ana")
        served.user("ben")
        yield served
    huggingface_hub.close_session()


@pytest.fixture
def store(hub: LoopbackHub, tmp_path: Path) -> Callable[..., HubStore]:
    """store("ana/demo", user="ana") is a dataset as an account sees it; user "" is nobody, any other a bad token."""

    def make(name: str = "ana/demo", user: str = "ana") -> HubStore:
        tokens = {account: token for token, account in hub.users.items()}
        token = tokens.get(user, "hf_wrongWrongWrong") if user else None
        return HubStore(name, endpoint=hub.endpoint, token=token, cache=tmp_path / "hf-cache" / (user or "nobody"))

    return make
