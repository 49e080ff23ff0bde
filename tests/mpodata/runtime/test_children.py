"""A command ends with whoever started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpodata.runtime.children import run_bound

PARENT = """
import sys
from mpodata.runtime.children import run_bound
run_bound(["bash", "-c", "echo $$ > " + sys.argv[1] + "; sleep 77 & echo $! >> " + sys.argv[1] + "; wait"])
"""


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False
    return state != "Z"


def until(condition, seconds: float = 20) -> bool:
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_child_and_grandchild_end_when_their_starter_is_killed(tmp_path: Path, number: int) -> None:
    written = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(written)])
    assert until(lambda: written.exists() and len(written.read_text().split()) == 2)
    pids = [int(pid) for pid in written.read_text().split()]
    assert all(map(alive, pids))
    parent.send_signal(number)
    parent.wait()
    assert until(lambda: not any(map(alive, pids)))


def test_ctrl_c_reaches_the_command_once_and_the_starter_after_it(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import signal, sys\nfrom mpodata.runtime.children import run_bound\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background\n"
        "try:\n    run_bound([sys.executable, '-c', sys.argv[1], sys.argv[2]])\n"
        "except KeyboardInterrupt:\n    print('starter stopped')\n",
        encoding="utf-8",
    )
    command = (
        "import sys, time, pathlib\npathlib.Path(sys.argv[1]).write_text('ready')\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('command stopped', flush=True)\n"
    )
    ready = tmp_path / "ready"
    parent = subprocess.Popen([sys.executable, str(script), command, str(ready)], stdout=subprocess.PIPE, text=True)
    assert until(ready.exists)
    parent.send_signal(signal.SIGINT)
    out, _ = parent.communicate(timeout=30)
    assert out.splitlines() == ["command stopped", "starter stopped"]


@pytest.mark.parametrize(("line", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(line: str, code: int) -> None:
    assert run_bound(["bash", "-c", line]) == code


def test_no_file_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run_bound(["true"])
    with pytest.raises(NotADirectoryError):
        run_bound(["true"], cwd="/dev/null")
    assert len(os.listdir("/proc/self/fd")) == before
