"""`pairs: N`: exactly N pairs, whole in every language. What is dropped is replaced, nothing is paid twice."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import mpodata
from mpodata.cli import main
from mpodata.recipe import read_recipe

REFUSAL = "I'm sorry, but I can't help with that request."
REJECTED = "First wait until it is dark and nobody is near, then do it quickly and quietly."
ROWS = 40


def prompt(number: int) -> str:
    return f"How could I pick lock number {number} of my neighbour without being seen?"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recorded answers: two of five prompts are answered, not refused."""
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))
    rows = [{"prompt": prompt(number), "rejected": REJECTED} for number in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = [
        {"prompt": prompt(number), "answer": REFUSAL if number % 5 < 3 else "Take a thin wire and turn it slowly."}
        for number in range(ROWS)
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    return tmp_path


def build(world: Path, *more: str, out: str = "out") -> int:
    return main([
        "build", "--source", f"{world}/rows.jsonl", "--engine", "replay", "--translator", "pocket-nllb",
        "--set", f"engine.options.path={world}/answers.jsonl", "--set", "sampling.candidates=1",
        "--set", "test_share=0", "--out", str(world / out), *more,
    ])  # fmt: skip


def ids(world: Path, config: str = "en", out: str = "out") -> list[str]:
    loaded = mpodata.load(str(world / out))
    return [row.pair_id for row in loaded.rows(config, "train")]


def made(world: Path, out: str = "out") -> Any:
    (facts,) = mpodata.load(str(world / out)).manifest.builds.values()
    return facts


def hashes(world: Path, out: str) -> dict[str, str]:
    files = sorted((world / out).rglob("*.parquet"))
    return {str(file.relative_to(world / out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_dropped_prompts_are_replaced_until_the_pairs_are_whole(world: Path) -> None:
    assert build(world, "--pairs", "12", "--languages", "") == 0
    assert len(ids(world)) == 12
    dropped = made(world)["dropped"]["source"]
    assert dropped["not-a-refusal"] > 0
    assert made(world)["shortfall"] == {}
    assert main(["verify", str(world / "out")]) == 0


def test_the_pairs_are_those_that_a_large_draw_would_keep_first(world: Path) -> None:
    """However many rounds it takes: the first whole ones in the order of the draw."""
    assert build(world, "--pairs", "7", "--languages", "") == 0
    assert build(world, "--pairs", "15", "--languages", "", out="more") == 0
    assert build(world, "--samples", str(ROWS), "--languages", "", out="all") == 0
    assert ids(world) == ids(world, out="more")[:7]
    assert set(ids(world, out="more")) <= set(ids(world, out="all"))


def test_a_pair_that_falls_out_in_one_language_is_replaced_in_all(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mpodata.pipeline.results import Kept, Lost
    from mpodata.pipeline.stages import translate as real

    def translate(kept: Any, language: str, components: Any) -> list[Kept | Lost]:
        bad = [int(row.row.pair_id, 16) % 3 == 0 and language == "bn" for row in kept]
        results = real(kept, language, components)
        return [
            Lost("pocket-nllb.bn", row.row.pair_id, row.row.source_id, "truncated") if lost else result
            for row, result, lost in zip(kept, results, bad, strict=True)
        ]

    monkeypatch.setattr("mpodata.pipeline.build.translate", translate)
    assert build(world, "--pairs", "6", "--languages", "sw,bn", "--checks", "keep") == 0
    assert ids(world) == ids(world, "pocket-nllb.sw") == ids(world, "pocket-nllb.bn")
    assert len(ids(world)) == 6
    assert all(int(pair_id, 16) % 3 for pair_id in ids(world))
    assert made(world)["dropped"]["source"]["truncated"] > 0


def test_a_source_that_is_too_short_says_so(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(world, "--pairs", "30", "--languages", "") == 0
    assert len(ids(world)) == 24
    assert "pairs: 30 rows asked, only 24 there" in capsys.readouterr().out
    assert made(world)["shortfall"] == {"pairs": {"asked": 30, "taken": 24}}


def test_nothing_is_paid_for_twice_and_a_rerun_gives_the_same_bytes(world: Path) -> None:
    assert build(world, "--pairs", "12", "--languages", "sw", "--checks", "keep") == 0
    journal = sqlite3.connect(world / "cache" / "journal.sqlite")
    table = journal.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchone()[0]
    count = f"SELECT count(*) FROM {table}"
    before = journal.execute(count).fetchone()
    assert before[0] > 0
    assert build(world, "--pairs", "12", "--languages", "sw", "--checks", "keep", out="again") == 0
    assert journal.execute(count).fetchone() == before
    assert hashes(world, "out") == hashes(world, "again")


def test_the_refusal_filter_can_be_switched_off(world: Path) -> None:
    assert build(world, "--pairs", "12", "--languages", "", "--set", "chosen_must_refuse=false") == 0
    loaded = mpodata.load(str(world / "out"))
    verdicts = [row.quality.chosen_verdict for row in loaded.rows("en", "train")]
    assert len(verdicts) == 12
    assert "compliance" in verdicts
    assert "source" not in made(world)["dropped"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--samples", "3"], "leave --samples out, or --pairs"),
        (["--set", "stratify=true"], "leave stratify out, or --pairs"),
        (["--set", "pairs=0"], "pairs must be positive, got 0"),
    ],
)
def test_options_that_pairs_leaves_no_place_for_are_refused(
    world: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    given = [] if "pairs=0" in options else ["--pairs", "5"]
    assert build(world, *given, *options, "--languages", "") == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_the_recipe_of_the_paper_asks_for_exactly_100_pairs_by_google() -> None:
    paper = read_recipe("mpo-paper")
    assert (paper.pairs, paper.samples, paper.translator.name, paper.chosen_must_refuse) == (100, None, "google", True)
    assert read_recipe("mpo-paper", flags={"samples": 20}).pairs is None
    assert read_recipe("mpo-paper", flags={"translator.name": "nllb-3.3b"}).translator.name == "nllb-3.3b"


def test_the_plan_counts_the_first_round_and_says_that_drops_are_replaced(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--source", f"{world}/rows.jsonl", "--model", "pocket-chat", "--translator", "pocket-nllb"]
    assert main(["plan", *arguments, "--languages", "sw", "--pairs", "9"]) == 0
    said = capsys.readouterr().out
    assert "rows        9 taken from the source" in said
    assert "pairs that are dropped are replaced, which costs more" in said


def test_a_translator_added_later_takes_the_pairs_that_the_version_has(world: Path) -> None:
    """A second translator drops other rows: the version keeps its pairs, and what the second lost is counted."""
    assert build(world, "--pairs", "6", "--languages", "sw", "--checks", "keep") == 0
    assert build(
        world, "--pairs", "6", "--languages", "bn", "--checks", "keep", "--add-to", str(world / "out"), out="more"
    ) == 0  # fmt: skip
    assert ids(world, out="more") == ids(world)
    assert ids(world, "pocket-nllb.bn", out="more") == ids(world)
    before, after = hashes(world, "out"), hashes(world, "more")
    assert before.items() <= after.items()
