"""Worker processes give what one process gives, and never outlive it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from mpodata.commands import build as command
from mpodata.errors import MpoError
from mpodata.quality import measure_and_check
from mpodata.records import Pair, Side
from mpodata.runtime.processes import ProcessMapper, serial, usual_workers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ENGLISH = Side("en", "How do I open lock {n}?", "I'm sorry, but I can't help with that.", "Take a wire, number {n}.")
SWAHILI = Side(
    "sw", "Ninawezaje kufungua kufuli {n}?", "Samahani, lakini siwezi kusaidia na hilo.", "Chukua waya, namba {n}."
)


def numbered(side: Side, number: int) -> Side:
    return Side(
        side.language, *(text.replace("{n}", str(number)) for text in (side.prompt, side.chosen, side.rejected))
    )


def pairs(count: int) -> list[Pair]:
    """Every seventh target side is a copy of its original."""
    return [
        Pair(str(n), numbered(ENGLISH, n), numbered(SWAHILI if n % 7 else Side("sw", *ENGLISH_TEXTS), n))
        for n in range(count)
    ]


ENGLISH_TEXTS = (ENGLISH.prompt, ENGLISH.chosen, ENGLISH.rejected)


def processes(items: Sequence[int]) -> list[int]:
    time.sleep(0.05)
    return [os.getpid()] * len(items)


def die(items: Sequence[int]) -> list[int]:
    os._exit(1)


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessMapper]:
    with ProcessMapper(2, alone=0) as two:
        yield two


def test_two_processes_find_what_one_finds_in_order(workers: ProcessMapper) -> None:
    examined = partial(measure_and_check, among=("en", "sw"))
    results = list(workers(examined, pairs(100)))
    assert results == serial(examined, pairs(100))
    assert [reason for _, reason in results[:8]] == ["copied", *[None] * 6, "copied"]


def test_ctrl_c_is_left_to_the_parent(workers: ProcessMapper) -> None:
    pids = set(workers(processes, range(500)))
    assert os.getpid() not in pids
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    assert set(workers(processes, range(500))) <= pids


def test_a_short_build_starts_no_process() -> None:
    with ProcessMapper(2, alone=100) as alone:
        assert {*alone(processes, range(60)), *alone(processes, range(60))} == {os.getpid()}
        assert os.getpid() not in alone(processes, range(10))


def test_a_worker_that_dies_is_said_plainly() -> None:
    with ProcessMapper(2, alone=0) as two, pytest.raises(MpoError, match="A worker process ended unexpectedly"):
        list(two(die, range(10)))


@pytest.mark.flow
def test_workers_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import time\nfrom mpodata.runtime.processes import ProcessMapper\nfrom test_processes import processes\n"
        "if __name__ == '__main__':\n"
        "    print(*set(ProcessMapper(2, alone=0)(processes, range(500))), flush=True)\n    time.sleep(60)\n"
    )
    folder = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [folder, folder.parents[2]]))}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    with parent.stdout as said:
        pids = [int(pid) for pid in said.readline().split()]
        parent.kill()
        parent.wait()
    assert pids
    deadline = time.monotonic() + 30
    while any(map(running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"  # nobody's child: a zombie
    except OSError:
        return False


def test_a_share_of_the_cores_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usual_workers() == 1


def test_a_build_on_ray_starts_none_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    class Asked(Exception):
        pass

    def build(*_: object, workers: int, **__: object) -> None:
        asked["workers"] = workers
        raise Asked

    monkeypatch.setattr(command, "build", build)
    from mpodata.cli import main

    for arguments, count in (["--scale", "ray", "--workers", "3"], 1), (["--workers", "3"], 3):
        with pytest.raises(Asked):
            main(["build", "--recipe", "quickstart", *arguments, "--out", str(tmp_path / "out")])
        assert asked["workers"] == count
