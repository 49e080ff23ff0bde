"""Builds on Ray end in the bytes of a local build, also where a worker is killed."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mpodata.pipeline.ray import BLOCK, RayRunner

pytestmark = pytest.mark.slow

SMALL = ["build", "--recipe", "quickstart", "--languages", "sw,bn", "--samples", "150"]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "MPODATA_CACHE": str(folder / "cache"), "RAY_DEDUP_LOGS": "0"}
    command = [sys.executable, "-m", "mpodata.cli", *SMALL, *arguments, "--out", str(folder / "out")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: "subprocess.Popen[str]") -> str:
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    return said


def hashes(folder: Path) -> dict[str, str]:
    files = (folder / "out").rglob("*.parquet")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    finished(start(folder))
    return folder


@pytest.mark.parametrize(
    ("rows", "most", "expected"),
    [
        (640, BLOCK, [40] * 16),
        (100, BLOCK, [32, 32, 32, 4]),
        (5000, BLOCK, [128] * 39 + [8]),
        (5000, sys.maxsize, [5000]),
    ],
)
def test_every_worker_gets_several_blocks_where_rows_are_few(tmp_path: Path, rows, most, expected) -> None:
    runner = object.__new__(RayRunner)
    runner.scratch, runner.resources = tmp_path, {"concurrency": 2}
    count = runner._spread("kept", (f"line {number}" for number in range(rows)), most)
    written = [(tmp_path / "kept" / f"{number}.jsonl").read_text().split("\n") for number in range(count)]
    assert [len(lines) for lines in written] == expected
    assert [line for lines in written for line in lines] == [f"line {number}" for number in range(rows)]


def test_two_workers_write_the_bytes_of_one_process(local: Path, tmp_path: Path) -> None:
    finished(start(tmp_path, "--scale", "ray", "--workers", "2"))
    assert hashes(tmp_path) == hashes(local)


def test_ray_reads_the_journal_that_a_local_build_wrote(local: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(local / "cache")
    said = finished(start(tmp_path, "--scale", "ray", "--workers", "1"))
    assert hashes(tmp_path) == hashes(local)
    assert re.search(r" 0 computed", said)


def test_a_killed_worker_costs_its_block_only(local: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "--scale", "ray", "--workers", "2")
    killed: list[int] = []

    def kill_one_worker() -> None:
        while not killed and process.poll() is None:
            for pid in workers():
                time.sleep(0.5)
                os.kill(pid, 9)
                killed.append(pid)
                return
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one_worker)
    killer.start()
    finished(process)
    killer.join()
    assert killed
    assert hashes(tmp_path) == hashes(local)


def workers() -> list[int]:
    """Processes that run a stage's actor right now; one cluster runs at a time."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    found = [line.split(None, 1) for line in listing.splitlines()[1:]]
    return [int(pid) for pid, args in found if re.match(r"ray::.*Worker", args)]
