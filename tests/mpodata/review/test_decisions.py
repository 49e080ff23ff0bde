"""A reader's file: every decision on disk before it is confirmed, whatever is killed; nothing lost, nothing twice."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpodata.errors import ConfigError, DataError
from mpodata.review.decisions import Decision, ReviewFile, decision_of, read_reviews, review_path


def decision(pair_id: str = "aaaa", verdict: str = "accept", reason: str = "good", **more: Any) -> Decision:
    return Decision("nllb.sw", pair_id, "texts", verdict, reason, **{"revision": 0, **more})


def test_decisions_are_read_back_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "amina.jsonl"
    with ReviewFile(path, "amina", "demo@v1.0.0") as file:
        file.decide(decision(), seen=0)
        file.decide(decision("bbbb", "correct", "grammar", corrected={"chosen": "Siwezi.\nSamahani."}), seen=0)
    with ReviewFile(path, "amina", "demo@v1.0.0") as file:
        assert [one.verdict for one in file.decisions.values()] == ["accept", "correct"]
        assert file.decisions["nllb.sw", "bbbb"].corrected == {"chosen": "Siwezi.\nSamahani."}
    review = read_reviews(path)
    assert (review.reader, review.reference, len(review.decisions)) == ("amina", "demo@v1.0.0", 2)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with ReviewFile(tmp_path / "new" / "amina.jsonl", "amina", "demo"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new" / "amina.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_the_last_decision_wins_and_says_which_unseen_one_it_replaced(tmp_path: Path) -> None:
    with ReviewFile(tmp_path / "amina.jsonl", "amina", "demo") as file:
        first, nothing = file.decide(decision(), seen=0)
        assert (first.revision, nothing) == (1, None)
        second, replaced = file.decide(decision(verdict="drop", reason="meaning"), seen=0)  # a tab that saw revision 0
        assert (second.revision, replaced) == (2, first)
        third, nothing = file.decide(decision(), seen=2)
        assert (third.revision, nothing) == (3, None)
    lines = (tmp_path / "amina.jsonl").read_text().splitlines()
    assert [json.loads(line)["verdict"] for line in lines[1:]] == ["accept", "drop", "accept"]


def test_a_decision_that_is_sent_twice_is_kept_once(tmp_path: Path) -> None:
    with ReviewFile(tmp_path / "amina.jsonl", "amina", "demo") as file:
        for _ in range(3):
            kept, replaced = file.decide(decision(), seen=0)
            assert (kept.revision, replaced) == (1, None)
    assert len((tmp_path / "amina.jsonl").read_text().splitlines()) == 2


def test_a_line_that_a_kill_cut_short_is_taken_off_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "amina.jsonl"
    with ReviewFile(path, "amina", "demo") as file:
        file.decide(decision(), seen=0)
        before = path.stat().st_size
        file.decide(decision("bbbb", "drop", "other", note="hàbari"), seen=0)
    whole = path.read_bytes()
    for cut in range(before, len(whole)):
        path.write_bytes(whole[:cut])
        assert list(read_reviews(path).decisions) == [("nllb.sw", "aaaa")]
        with ReviewFile(path, "amina", "demo") as file:
            assert list(file.decisions) == [("nllb.sw", "aaaa")]
            file.decide(decision("cccc"), seen=0)
        assert list(read_reviews(path).decisions) == [("nllb.sw", "aaaa"), ("nllb.sw", "cccc")]


def test_a_file_cut_within_its_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "amina.jsonl"
    path.write_bytes(b'{"format":1,"rea')
    with ReviewFile(path, "amina", "demo") as file:
        file.decide(decision(), seen=0)
    assert len(read_reviews(path).decisions) == 1


WRITER = """
import sys
from mpodata.review.decisions import Decision, ReviewFile
with ReviewFile(sys.argv[1], "amina", "demo") as file:
    for number in range(10_000):
        file.decide(Decision("nllb.sw", f"pair-{number}", "texts", "accept", "good", 0), seen=0)
        print(number, flush=True)
"""


def test_every_confirmed_decision_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "amina.jsonl"
    script = WRITER.replace("sys.argv[1]", f"__import__('pathlib').Path({str(path)!r})")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        confirmed = [int(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in process.stdout]
    with ReviewFile(path, "amina", "demo") as file:
        assert {("nllb.sw", f"pair-{number}") for number in confirmed} <= file.decisions.keys()


def test_a_reader_has_one_review_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "amina.jsonl"
    with (
        ReviewFile(path, "amina", "demo"),
        pytest.raises(ConfigError, match="Another `mpodata review` of reader 'amina' is running"),
        ReviewFile(path, "amina", "demo"),
    ):
        pass
    with ReviewFile(path, "amina", "demo"):
        pass


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "amina.jsonl"
    write = os.write
    with ReviewFile(path, "amina", "demo") as file:

        def full(handle: int, data: bytes) -> int:
            if len(data) > 20:
                return write(handle, data[:20])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        monkeypatch.setattr("mpodata.review.decisions.json.dumps", lambda *_, **__: "x" * 30)
        with pytest.raises(OSError, match="No space left"):
            file.decide(decision(), seen=0)
        assert not file.decisions
        monkeypatch.undo()
        file.decide(decision("bbbb"), seen=0)
    assert list(read_reviews(path).decisions) == [("nllb.sw", "bbbb")]


@pytest.mark.parametrize("name", ["", "../amina", "a/b", ".hidden", "a b", "x" * 41, "a\nb"])
def test_a_reader_whose_name_cannot_be_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--reader"):
        review_path(tmp_path, name)


def test_another_readers_file_is_refused(tmp_path: Path) -> None:
    with ReviewFile(tmp_path / "amina.jsonl", "amina", "demo"):
        pass
    with pytest.raises(ConfigError, match="holds the decisions of 'amina', not of 'ben'"):
        ReviewFile(tmp_path / "amina.jsonl", "ben", "demo")


GOOD = {"config": "nllb.sw", "pair_id": "a", "texts": "t", "verdict": "accept", "reason": "good", "revision": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verdict": "maybe"}, "verdict must be one of"),
        ({"verdict": ["accept"]}, "verdict must be one of"),
        ({"reason": "meaning"}, "reason of 'accept' must be one of good"),
        ({"reason": None}, "reason of 'accept'"),
        ({"pair_id": 7}, "pair_id must be text"),
        ({"config": ""}, "config must be text"),
        ({"revision": -1}, "revision must be a count"),
        ({"revision": True}, "revision must be a count"),
        ({"note": "x" * 2001}, "note must be text of at most 2,000 characters"),
        ({"read": ["prompt", "everything"]}, "read must list some of"),
        ({"corrected": {"chosen": "New."}}, "corrected texts belong to the verdict 'correct'"),
        ({"verdict": "correct", "reason": "grammar"}, "it needs at least one"),
        ({"verdict": "correct", "reason": "grammar", "corrected": {"language": "x"}}, "corrected names 'language'"),
        ({"verdict": "correct", "reason": "grammar", "corrected": {"chosen": " "}}, "must be text of 1 to"),
        ({"verdict": "correct", "reason": "grammar", "corrected": {"chosen": "a\0"}}, "a character that no file can"),
        (
            {"verdict": "correct", "reason": "grammar", "corrected": {"chosen": "\ud800"}},
            "a character that no file can",
        ),
        ({"verdict": "correct", "reason": "grammar", "corrected": ["chosen"]}, "corrected must be a mapping"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    assert decision_of(GOOD).verdict == "accept"
    with pytest.raises(ValueError, match=reason):
        decision_of({**GOOD, **change})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no review: it is empty"),
        (b"hello\n", "line 1: it is damaged"),
        (b"[]\n", "line 1: it is damaged"),
        (b'{"format":99,"reader":"a","reference":"b"}\n', "line 1: it is not a review that this mpodata reads"),
        (b'{"format":1,"reader":"a","reference":"b"}\n{"config":1}\n', "line 2: verdict must be one of"),
        (b'{"format":1,"reader":"a","reference":"b"}\n\xff\xfe\n{}\n', "line 2: it is damaged"),
    ],
)
def test_a_strangers_file_is_read_or_refused_in_a_sentence(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_reviews(path)
