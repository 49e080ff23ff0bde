"""kill -9 at each step of a publish, then the same publish again: one commit, one tag, sound content."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mpodata.versions.load import load
from mpodata.versions.publish import publish
from mpodata.versions.stores.hub import HubStore
from mpodata.versions.verify import problems
from tests.fakes.hub import LoopbackHub
from tests.mpodata.publisher_process import start_in_folder, start_on_hub
from tests.mpodata.small_versions import write_version

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

# Where the publisher is killed: while this request waits to take effect, or after it did and before its answer.
KILLS = {
    "before the dataset is made": ("POST", r"/repos/create", False),
    "after the dataset is made": ("POST", r"/repos/create", True),
    "before it is gated": ("PUT", r"/settings", False),
    "before an upload": ("PUT", r"/lfs/upload/", False),
    "after an upload": ("PUT", r"/lfs/upload/", True),
    "before the commit": ("POST", r"/commit/main", False),
    "after the commit": ("POST", r"/commit/main", True),
    "before the tag": ("POST", r"/tag/", False),
    "after the tag": ("POST", r"/tag/", True),
    "while reloading": ("GET", r"/resolve/.*parquet", False),
}


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.flow
def test_a_publisher_killed_at_any_step_is_continued_by_the_same_command(
    kill: str, hub: LoopbackHub, store: Callable[..., HubStore], tmp_path: Path
) -> None:
    write_version(tmp_path / "out")
    method, path, after = KILLS[kill]
    fault = hub.fault(method, path, "hang", after=after)
    token = next(token for token, name in hub.users.items() if name == "ana")
    publisher = start_on_hub(tmp_path / "out", hub.endpoint, token, tmp_path / "killed-cache")
    assert fault.reached.wait(60)
    publisher.kill()
    publisher.join()
    assert publisher.exitcode == -9
    fault.forgotten = True  # a request that had not taken effect dies with its client
    fault.release.set()

    published = publish(tmp_path / "out", "ana/demo", store=store())

    repo = hub.repos["ana/demo"]
    assert [commit.title for commit in repo.history(repo.head())] == ["v1.0.0", "initial commit"]
    assert repo.tags == {"v1.0.0": repo.head()} == {"v1.0.0": published.commit}
    assert repo.private
    assert repo.gated == "manual"


def test_a_folder_registry_survives_twenty_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    dataset = tmp_path / "registry" / "demo"
    ended: list[int | None] = []
    for number in range(1, 6):
        write_version(tmp_path / f"out{number}", count=10 * number)
        for _ in range(4):
            publisher = start_in_folder(tmp_path / f"out{number}", dataset)
            time.sleep(chance.uniform(0.0, 0.1))
            publisher.kill()
            publisher.join()
            ended.append(publisher.exitcode)
        published = publish(tmp_path / f"out{number}", str(dataset))
        assert published.version == f"1.{number - 1}.0"
        loaded = load(published.reference)
        assert list(problems(loaded.folder, loaded.manifest)) == []
    assert ended.count(-9) >= 5  # the others had finished
    left = sorted(path.name for path in dataset.iterdir())
    assert left == [".lock", "v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0"]
