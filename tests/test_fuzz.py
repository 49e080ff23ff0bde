"""A short run of scripts/fuzz.py, the same cases every time; `python scripts/fuzz.py --minutes 10` tries others."""

import random
from pathlib import Path

import pytest
from fuzz import TARGETS, tried
from fuzzing import damage

from mpodata.errors import MpoError

SEEDS = range(6)
FOUND = [  # target and seed of what earlier runs found
    ("readers", 8),  # half a character at the end of a benchmark's UTF-16 table
    ("readers", 263),  # a Parquet file whose pages hold fewer rows than its footer says
    ("evaluations", 31),
    ("evaluations", 35),  # a verdict without its kind
    ("evaluations", 59),
]


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_files_are_read_or_refused_in_one_sentence(target: str) -> None:
    assert [str(finding) for seed in SEEDS if (finding := tried(target, seed))] == []


@pytest.mark.parametrize(("target", "seed"), FOUND)
def test_what_was_found_once_stays_mended(target: str, seed: int) -> None:
    assert tried(target, seed) is None


@pytest.mark.parametrize("target", TARGETS)
def test_undamaged_files_are_read(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def strict(read: object) -> None:
        try:
            read()
        except MpoError as error:
            refused.append(str(error))

    monkeypatch.setattr("fuzz._allowed", strict)
    for name in ("of_bytes", "json_or_bytes"):
        monkeypatch.setattr(damage, name, lambda data, chance: data)
    for seed in range(9 if target == "readers" else 2):  # readers: about every kind of table
        (folder := tmp_path / str(seed)).mkdir()
        TARGETS[target](folder, random.Random(seed))
    assert [text for text in refused if "Unknown recipe key: 'name'" not in text] == []  # the recipe behind --set


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise KeyError("prompt")

    monkeypatch.setattr("mpodata.review.decisions.read_reviews", broken)
    finding = tried("reviews", 0)
    assert finding is not None
    assert "KeyError: 'prompt'" in str(finding)
