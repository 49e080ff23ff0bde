"""Columns that some configs have: who translated each field, and estimated quality."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import mpodata
from mpodata.cli import main
from mpodata.errors import DataError
from mpodata.versions.schema import COLUMNS, Row, read_rows
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts, rows

MAKERS = ("llm", "llm", "nllb-600m")
SCORES = (0.81, 0.79, None)


def with_columns(row: Row) -> Row:
    return replace(row, side=replace(row.side, translators=MAKERS), estimates=SCORES)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    with VersionWriter(tmp_path / "out") as writer:
        for split, numbers in (("train", range(10)), ("test", range(1000, 1002))):
            writer.add("en", split, rows("en", numbers))
            writer.add("llm.sw", split, map(with_columns, rows("sw", numbers)))
        writer.finish(facts(translators={"llm": {"name": "llm", "licence": "mit"}}))
    return tmp_path / "out"


def test_rows_keep_who_translated_each_field_and_its_estimated_quality(version: Path) -> None:
    loaded = mpodata.load(str(version))
    pairs = list(loaded.pairs("train"))
    assert {pair.target.translators for pair in pairs} == {MAKERS}
    assert {pair.dominant.translators for pair in pairs} == {None}
    [file] = (version / "llm" / "sw").glob("train-*.parquet")
    assert {row.estimates for row in read_rows(file)} == {SCORES}
    assert mpodata.verify(str(version)) == []


def test_configs_without_them_have_the_columns_they_always_had(version: Path) -> None:
    [file] = (version / "en").glob("train-*.parquet")
    assert pq.read_schema(file).remove_metadata() == COLUMNS
    [file] = (version / "llm" / "sw").glob("train-*.parquet")
    assert pq.read_schema(file).names == [*COLUMNS.names, "translators", "quality_estimation"]


def test_datasets_loads_both_kinds_of_config(version: Path, tmp_path: Path) -> None:
    split = load_dataset(str(version), "llm.sw", split="train", cache_dir=str(tmp_path / "cache"))
    assert split[0]["translators"] == {"prompt": "llm", "chosen": "llm", "rejected": "nllb-600m"}
    plain = load_dataset(str(version), "en", split="train", cache_dir=str(tmp_path / "cache"))
    assert "translators" not in plain.column_names


def test_manifest_and_card_count_them(version: Path) -> None:
    config = mpodata.load(str(version)).manifest.configs["llm.sw"]
    quality = config.splits["train"].quality
    assert quality["rejected_translators"] == {"nllb-600m": 10}
    assert quality["prompt_quality_estimation"] == {"rows": 10, "mean": 0.81, "min": 0.81, "max": 0.81}
    card = (version / "README.md").read_text()
    assert "- `llm.sw`: prompt by llm 12; chosen by llm 12; rejected by nllb-600m 12\n" in card
    assert "- `llm.sw`: mean of prompt 0.810, chosen 0.790" in card


def test_a_row_that_lacks_what_the_first_has_is_named(tmp_path: Path) -> None:
    first, *rest = rows("sw", range(3))
    with VersionWriter(tmp_path / "out") as writer, pytest.raises(DataError, match="other columns than the first row"):
        writer.add("llm.sw", "train", [with_columns(first), *rest])


def test_show_says_who_translated_each_field(version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(version), "--pair", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("[by llm, ") == 2
    assert said.count("[by nllb-600m, ") == 1
