"""Publishing through every fault: each ends in one commit and one tag, or in a clear error with nothing changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mpodata.errors import RemoteError
from mpodata.versions.publish import publish
from mpodata.versions.stores.hub import HubStore
from tests.fakes.hub import LoopbackHub
from tests.mpodata.small_versions import write_version

# httpx2 about how huggingface_hub 2.4 calls it
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

# The requests of a publish, in order: where each fault strikes.
STEPS = {
    "look": ("GET", r"/api/datasets/ana/demo/revision/main"),
    "create": ("POST", r"/api/repos/create"),
    "gate": ("PUT", r"/settings"),
    "tags": ("GET", r"/refs"),
    "list files": ("GET", r"/tree/"),
    "card check": ("POST", r"/api/validate-yaml"),
    "preupload": ("POST", r"/preupload/"),
    "lfs batch": ("POST", r"/info/lfs/objects/batch"),
    "lfs upload": ("PUT", r"/lfs/upload/"),
    "lfs verify": ("POST", r"/lfs/verify/"),
    "commit": ("POST", r"/commit/main"),
    "tag": ("POST", r"/tag/"),
    "reload": ("GET", r"/resolve/"),
}
# name -> (action, does the request take effect?)
FAULTS: dict[str, tuple[int | str, bool]] = {
    "429": (429, False),
    "500": (500, False),
    "502": (502, False),
    "503": (503, False),
    "dropped": ("drop", False),
    "lost answer": ("drop", True),
    "504 after the effect": (504, True),
}
CHANGED_BEFORE = {"tag", "reload"}  # the version's commit exists when these steps fail
# The commit meets every fault and every step meets one; steps that write also lose their answer. The rest is slow.
QUICK = [("commit", fault) for fault in FAULTS]
QUICK += [(step, "503") for step in STEPS if step != "commit"]
QUICK += [(step, "lost answer") for step in ("create", "lfs upload", "tag")]
SLOW = [(step, fault) for step in STEPS for fault in FAULTS if (step, fault) not in QUICK]
TABLE = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]


def versions(hub: LoopbackHub) -> list[str]:
    """The titles of the version commits, newest first."""
    repo = hub.repos.get("ana/demo")
    return [] if repo is None else [c.title for c in repo.history(repo.head()) if c.title != "initial commit"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_version(tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(("step", "fault"), TABLE)
@pytest.mark.flow
def test_a_passing_fault_ends_in_one_commit_and_one_tag(
    step: str, fault: str, hub: LoopbackHub, store: Callable[..., HubStore], folder: Path
) -> None:
    action, after = FAULTS[fault]
    injected = hub.fault(*STEPS[step], action, after=after, headers={"Retry-After": "0"})
    published = publish(folder, "ana/demo", store=store())
    assert injected.reached.is_set()
    assert published.version == "1.0.0"
    assert versions(hub) == ["v1.0.0"]
    assert hub.repos["ana/demo"].tags == {"v1.0.0": hub.repos["ana/demo"].head()}
    assert hub.repos["ana/demo"].private
    assert hub.repos["ana/demo"].gated == "manual"


LASTING = ("look", "create", "preupload", "commit", "tag", "reload")
LASTING_SLOW = sorted(STEPS.keys() - {*LASTING, "lfs verify"})  # what is stored already is not verified again


@pytest.mark.parametrize("step", [*LASTING, *(pytest.param(step, marks=pytest.mark.slow) for step in LASTING_SLOW)])
def test_a_lasting_fault_is_a_clear_error_and_the_same_command_continues_after_it(
    step: str, hub: LoopbackHub, store: Callable[..., HubStore], folder: Path
) -> None:
    injected = hub.fault(*STEPS[step], 503, times=10_000)
    with pytest.raises(RemoteError, match=r"The Hub answered 503 .* ana/demo\. Rerun later\."):
        publish(folder, "ana/demo", store=store())
    assert versions(hub) == (["v1.0.0"] if step in CHANGED_BEFORE else [])
    injected.times = 0
    assert publish(folder, "ana/demo", store=store()).version == "1.0.0"
    assert versions(hub) == ["v1.0.0"]
    assert hub.repos["ana/demo"].tags == {"v1.0.0": hub.repos["ana/demo"].head()}


def test_a_stale_parent_is_computed_again_on_top_of_the_other_publisher(
    hub: LoopbackHub, store: Callable[..., HubStore], folder: Path, tmp_path: Path
) -> None:
    write_version(tmp_path / "more", languages=["ko"])
    publish(folder, "ana/demo", store=store())
    hub.fault("POST", r"/commit/main", 412)
    published = publish(tmp_path / "more", "ana/demo", store=store())
    assert published.version == "1.1.0"
    assert versions(hub) == ["v1.1.0", "v1.0.0"]


def test_a_deadline_passes_and_the_late_commit_of_the_first_request_does_no_harm(
    hub: LoopbackHub, store: Callable[..., HubStore], folder: Path
) -> None:
    slow = hub.fault("POST", r"/commit/main", "hang")
    impatient = store()
    impatient._deadline = 0.3
    assert publish(folder, "ana/demo", store=impatient).version == "1.0.0"
    slow.release.set()  # now the first commit arrives: its parent is stale
    assert versions(hub) == ["v1.0.0"]


def test_nobody_there_is_said_so(tmp_path: Path, hub: LoopbackHub, folder: Path) -> None:
    gone = HubStore("ana/demo", endpoint="http://127.0.0.1:9", token="hf_x", cache=tmp_path / "cache")
    with pytest.raises(RemoteError, match="could not be reached to read ana/demo"):
        publish(folder, "ana/demo", store=gone)
