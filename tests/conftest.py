"""No test reaches the network or a user's cache; warnings are errors (pyproject.toml)."""

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

WIDE = ("module", "class", "package")  # scopes of fixtures that several tests of one file share
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a fixture of their file run in one process, which makes it once; the others run anywhere."""
    for item in items:
        if isinstance(item, pytest.Function):
            fixtures = [made[-1] for made in item._fixtureinfo.name2fixturedefs.values() if made]
            if any(fixture.scope in WIDE for fixture in fixtures):
                item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


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
