"""No test reaches the network or a user's cache; warnings are errors (pyproject.toml)."""

import gc
import os
import socket
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault(
    "HF_HUB_OFFLINE", "1"
)  # tests that speak to the loopback Hub run the clients in processes of their own

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
collected: set[Path] = set()  # the files of whose tests one has begun


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What earlier files loaded stays: the collector, which every training calls, need not walk through it (1 s)."""
    if item.path not in collected:
        collected.add(item.path)
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _only_loopback(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections leave this machine only in tests marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "::1") and not str(host).startswith("127."):
            raise RuntimeError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `$MPODATA_CACHE` for every test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MPODATA_CACHE", str(folder))
    return folder


@pytest.fixture
def shared_data() -> Path:
    """Real research data kept beside the project; its rows never enter it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA
