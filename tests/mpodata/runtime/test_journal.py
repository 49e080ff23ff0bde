"""The journal computes each distinct input once, whatever happens in between."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

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


def test_another_task_or_specification_is_another_result(tmp_path: Path) -> None:
    calls: list[str] = []
    with Journal(tmp_path / "j.sqlite") as journal:
        for task, spec in (("t", {"m": 1}), ("t", {"m": 2}), ("u", {"m": 1})):
            journal.through(task, spec, ["a"], doubled(calls))
    assert calls == ["a", "a", "a"]


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
