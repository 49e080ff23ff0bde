"""The journal computes each distinct input once, whatever happens in between."""

import os
import sqlite3
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mpodata.errors import MpoError
from mpodata.runtime.journal import Journal


def doubled(calls: list[str]):
    def compute(values: list[str]) -> list[str]:
        calls.extend(values)
        return [value * 2 for value in values]

    return compute


def test_results_come_in_order_and_repeats_are_computed_once(tmp_path: Path) -> None:
    calls: list[str] = []
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.through("t", {}, ["b", "a", "b"], doubled(calls)) == ["bb", "aa", "bb"]
    assert sorted(calls) == ["a", "b"]


def test_a_second_run_computes_nothing(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        with Journal(tmp_path / "j.sqlite") as journal:
            journal.through("t", {"m": 1}, ["a"], doubled(calls))
    assert calls == ["a"]


def test_a_run_that_finds_everything_recorded_can_be_stopped_too(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.through("t", {}, ["a"], doubled([]))

        def stop() -> None:
            raise KeyboardInterrupt

        journal.after_block = stop
        with pytest.raises(KeyboardInterrupt):
            journal.through("t", {}, ["a"], doubled([]))


def test_another_task_or_specification_is_another_result(tmp_path: Path) -> None:
    calls: list[str] = []
    with Journal(tmp_path / "j.sqlite") as journal:
        for task, spec in (("t", {"m": 1}), ("t", {"m": 2}), ("u", {"m": 1})):
            journal.through(task, spec, ["a"], doubled(calls))
    assert calls == ["a", "a", "a"]


@pytest.mark.parametrize(
    ("seconds", "blocks"),
    [(0.001, [16, 184]), (2.0, [16, 30, 30, 30, 30, 30, 30, 4]), (90.0, [16, *[8] * 23])],
    ids=["fast", "slow", "very slow"],
)
def test_a_block_of_slow_work_takes_a_minute_and_progress_moves_with_it(
    seconds: float, blocks: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sizes, moved = [0.0], [], []
    monkeypatch.setattr("mpodata.runtime.journal.time.monotonic", lambda: clock[0])

    def compute(values: list[int]) -> list[int]:
        clock[0] += seconds * len(values)
        sizes.append(len(values))
        return values

    with Journal(tmp_path / "j.sqlite") as journal:
        journal.through("t", {}, list(range(200)), compute, block=256, done=moved.append)
        journal.through("t", {}, list(range(200, 208)), compute, block=256)
    assert sizes == [*blocks, 8]
    assert moved == [0, *blocks]


def test_an_interrupted_run_keeps_its_finished_blocks(tmp_path: Path) -> None:
    calls: list[str] = []

    def failing(values: list[str]) -> list[str]:
        if "c" in values:
            raise RuntimeError("power")
        return doubled(calls)(values)

    with Journal(tmp_path / "j.sqlite") as journal:
        with pytest.raises(RuntimeError, match="power"):
            journal.through("t", {}, ["a", "b", "c"], failing, block=1)
        assert journal.through("t", {}, ["a", "b", "c"], doubled(calls), block=1) == ["aa", "bb", "cc"]
    assert calls == ["a", "b", "c"]


def test_what_is_not_final_is_computed_again(tmp_path: Path) -> None:
    calls: list[str] = []
    with Journal(tmp_path / "j.sqlite") as journal:
        for _ in range(2):
            journal.through("t", {}, ["a"], doubled(calls), keep=lambda value: value != "aa")
    assert calls == ["a", "a"]


def test_lone_surrogates_and_nul_are_kept(tmp_path: Path) -> None:
    text = "a\ud800b\x00c"
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.through("t", {}, [text], lambda values: list(values))
        assert journal.through("t", {}, [text], doubled([])) == [text]


def _write(path: str, worker: int) -> None:
    with Journal(path) as journal:
        journal.through("t", {}, [f"{worker}-{n}" for n in range(200)], lambda values: values, block=5)


def test_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    context = get_context("spawn")
    workers = [context.Process(target=_write, args=(str(path), worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with Journal(path) as journal:
        assert journal.known("t", {}, [f"{worker}-{n}" for worker in range(3) for n in range(200)]) == 600


def _open_at_once(folder: str, start: Any) -> None:
    for round_ in range(30):
        start.wait()
        Journal(Path(folder) / f"{round_}.sqlite").close()


def test_processes_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    context = get_context("spawn")
    start = context.Barrier(2)
    workers = [context.Process(target=_open_at_once, args=(str(tmp_path), start), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


def test_only_its_owner_may_read_it(tmp_path: Path, cache: Path) -> None:
    cache.chmod(0o755)
    with Journal(cache / "journal.sqlite") as journal:
        journal.record({b"key": "text"})
        assert {path.stat().st_mode & 0o777 for path in cache.iterdir()} == {0o600}
    assert cache.stat().st_mode & 0o777 == 0o700
    with Journal(tmp_path / "new" / "folders" / "j.sqlite"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "new" / "folders").stat().st_mode & 0o777 == 0o700
    tmp_path.chmod(0o755)
    with Journal(tmp_path / "j.sqlite"):
        assert tmp_path.stat().st_mode & 0o777 == 0o755  # a folder of the user's own is not touched


def test_a_journal_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Journal(":memory:") as journal:
        assert journal.through("t", {}, ["a"], doubled([])) == ["aa"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [False, True], ids=["with a checksum", "from before there were checksums"])
def test_a_value_that_was_damaged_is_computed_again_and_said(
    old: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.through("t", {}, ["a", "b"], doubled([]))
    connection = sqlite3.connect(tmp_path / "j.sqlite")
    damage = "UPDATE results SET value = ?, checksum = NULL" if old else "UPDATE results SET value = ?"
    connection.execute(damage + " WHERE value = ?", ('"a' if old else '"aA"', '"aa"'))
    connection.commit()
    connection.close()
    calls: list[str] = []
    for _ in range(2):
        with Journal(tmp_path / "j.sqlite") as journal:
            assert journal.through("t", {}, ["a", "b"], doubled(calls)) == ["aa", "bb"]
    assert calls == ["a"]
    assert "1 results in the journal" in caplog.text
    assert "damaged" in caplog.text


def damaged(data: bytes, random: Random) -> bytes:
    """The file after one accident: a flipped bit, a lost end, zeros, noise, or a page of another place."""
    changed = bytearray(data)
    start, length = random.randrange(len(data)), random.randrange(1, 5000)
    accident = random.choice(["bit", "end", "zeros", "noise", "page"])
    if accident == "bit":
        changed[start] ^= 1 << random.randrange(8)
    elif accident == "end":
        del changed[start:]
    elif accident == "page":
        page = start // 4096 * 4096
        changed[page : page + 4096] = data[:4096]
    else:
        length = len(changed[start : start + length])
        changed[start : start + length] = bytes(length) if accident == "zeros" else random.randbytes(length)
    return bytes(changed)


def test_a_hundred_damages_give_the_same_results_or_say_what_to_do(tmp_path: Path) -> None:
    inputs = [f"request {number}" for number in range(200)]

    def answers(values: list[str]) -> list[dict[str, str]]:
        return [{"text": value * 5, "finish": "stop"} for value in values]

    with Journal(tmp_path / "j.sqlite") as journal:
        expected = journal.through("t", {}, inputs, answers, block=50)
    data = (tmp_path / "j.sqlite").read_bytes()
    same = 0
    for seed in range(100):
        path = tmp_path / f"{seed}.sqlite"
        path.write_bytes(damaged(data, Random(seed)))
        try:
            with Journal(path) as journal:
                assert journal.through("t", {}, inputs, answers, block=50) == expected
            same += 1
        except MpoError as error:
            assert "move it away" in str(error)  # noqa: PT017
    assert 20 < same < 100  # both ends are reached


@pytest.mark.parametrize("fault", ["a folder", "no right to write", "a file as folder"])
def test_a_place_that_cannot_be_used_is_one_sentence(fault: str, tmp_path: Path) -> None:
    place = tmp_path / "j.sqlite"
    if fault == "a folder":
        place.mkdir()
    elif fault == "a file as folder":
        (tmp_path / "file").write_text("")
        place = tmp_path / "file" / "j.sqlite"
    else:
        if os.geteuid() == 0:
            place = Path("/proc/journal.sqlite")
        tmp_path.chmod(0o500)
    with pytest.raises(MpoError, match=r"[Nn]ame another place"):
        Journal(place)
    tmp_path.chmod(0o700)
