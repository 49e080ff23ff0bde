"""A table of preferences is trained on as it is: made into a version once, every row accounted for."""

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mpodata
from mpodata.cli import main as mpodata_main
from mpodata.errors import DataError, UnknownName
from mpodata.versions.load import load
from mpodata.versions.write import VersionWriter
from mpotrain.cli import main
from mpotrain.data import tokenise
from mpotrain.evaluation.held_out import held_out
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.flags import renamed_flag
from mpotrain.runs import read_run
from mpotrain.tables import first_pairs, is_paired, open_dataset, pairs_of
from tests.mpodata import small_versions
from tests.mpotrain.tiny_dataset import THINGS, checkpoint, side, tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("model"))


def rows(*languages: str, count: int = 6, label: bool = True, shared: bool = True) -> list[dict[str, Any]]:
    table = []
    for code in languages:
        for number, thing in enumerate(THINGS[:count]):
            text = side(code, thing)
            row: dict[str, Any] = {"prompt": text.prompt, "chosen": text.chosen, "rejected": text.rejected}
            row |= {"id": number} if shared else {}
            table.append(row | ({"language": code} if label else {}))
    return table


def write(path: Path, table: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, list(table[0]))
            lines.writeheader()
            lines.writerows(table)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return path


def as_turns(row: dict[str, Any]) -> dict[str, Any]:
    """TRL's conversational type."""
    prompt = [{"role": "user", "content": row["prompt"]}]
    answers = {name: [{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    return {**row, "prompt": prompt, **answers}


def flags(dataset: Path, model: Path, out: Path) -> list[str]:
    given = ["--dataset", str(dataset), "--model", str(model), "--output_dir", str(out), "--max_steps", "1"]
    return [*given, "--use_cpu", "--disable_tqdm", "true"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("form", [dict, as_turns])
def test_a_table_and_a_trl_dataset_give_the_same_pairs(suffix: str, form: Any, tmp_path: Path) -> None:
    if suffix == ".csv" and form is as_turns:
        pytest.skip("a CSV cell holds no turns")
    table = write(tmp_path / f"pairs{suffix}", [form(row) for row in rows("en", "sw", "zh")])
    loaded = open_dataset(str(table))
    assert (loaded.dominant, loaded.languages(), loaded.splits()) == ("en", ("sw", "zh"), ("train",))
    assert {(pair.dominant, pair.target) for pair in loaded.pairs()} == {
        (side("en", thing), side(code, thing)) for thing in THINGS[:6] for code in ("sw", "zh")
    }
    assert loaded.reference == str(table)
    assert mpodata.verify(loaded.folder) == []
    assert "table" in (loaded.folder / "README.md").read_text(encoding="utf-8")


def test_mpo_trains_on_a_table_says_so_in_one_line_and_goes_on_from_the_same_rows(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(tmp_path / "pairs.csv", rows("en", "sw"))
    assert main(["train", *flags(table, model, tmp_path / "run")]) == 0
    (line,) = [record.getMessage() for record in caplog.records if "became a dataset version" in record.getMessage()]
    assert line.startswith(f"{table} became a dataset version: rows en 6, sw 6. It is kept in ")
    assert f"mpo on {table}: 6 rows, 1 steps" in capsys.readouterr().out
    record = read_run(tmp_path / "run")["data"]
    assert (record["reference"], record["languages"], record["rows"]) == (str(table), ["sw"], {"en": 6, "sw": 6})
    assert main(["train", *flags(table, model, tmp_path / "run")]) == 0
    assert "finished run of this configuration" in caplog.text
    write(table, rows("en", "sw", count=5))
    assert main(["train", *flags(table, model, tmp_path / "run")]) == 2
    assert "other contents of dataset" in capsys.readouterr().err
    assert main(["gap", "--dataset", str(table), "--model", str(model)]) == 0
    assert main(["preview", "--dataset", str(table), "--model", str(model)]) == 0
    assert mpodata_main(["verify", str(open_dataset(table).folder)]) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", [dict, as_turns])
def test_a_folder_that_datasets_saved_is_read_as_its_rows_in_a_file(form: Any, tmp_path: Path) -> None:
    table = [form(row) for row in rows("en", "sw")]
    saved = tmp_path / "saved"
    datasets.Dataset.from_list(table).save_to_disk(saved, num_shards=2)
    from_folder, from_file = open_dataset(saved), open_dataset(write(tmp_path / "t.jsonl", table))
    assert list(from_folder.pairs("train")) == list(from_file.pairs("train"))
    assert open_dataset(saved).commit == from_folder.commit
    datasets.Dataset.from_list(table[:-1]).save_to_disk(saved)
    assert open_dataset(saved).commit != from_folder.commit
    for damage in (lambda file: file.write_bytes(b"not Arrow"), Path.unlink):
        damage(saved / "data-00000-of-00001.arrow")
        with pytest.raises(DataError, match=r"is not a whole folder of datasets\.save_to_disk"):
            open_dataset(saved)


def test_of_saved_splits_one_is_named(tmp_path: Path) -> None:
    part = datasets.Dataset.from_list(rows("en"))
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"holds the splits test, train: name one, .*/saved/test"):
        open_dataset(tmp_path / "saved")
    assert open_dataset(tmp_path / "saved" / "train").manifest.configs["en"].rows == 6


@pytest.mark.parametrize("languages", [("en",), ("sw",), ("en", "sw")])
def test_rows_without_counterpart_train_with_dpo_each_once_and_mpo_says_what_it_needs(
    languages: tuple[str, ...], tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(tmp_path / "pairs.jsonl", rows(*languages, shared=False))
    assert main(["train", "--method", "dpo", *flags(table, model, tmp_path / "dpo")]) == 0
    record = read_run(tmp_path / "dpo")["data"]
    assert record["trained_rows"] == 6 * len(languages)
    assert record["rows"] == dict.fromkeys(languages, 6)
    assert sorted(record["languages"]) == sorted(languages)
    assert mpodata.verify(open_dataset(table).folder) == []
    capsys.readouterr()
    assert main(["train", "--method", "mpo", *flags(table, model, tmp_path / "mpo")]) == 2
    told = capsys.readouterr().err
    assert "mpo compares the languages of a pair" in told
    assert "--method dpo" in told
    evaluated = EvaluatedModel("tiny", str(model))
    with mpodata_journal(tmp_path) as journal:
        gaps = held_out(evaluated, None, str(table), None, journal).gaps
    assert set(gaps["languages"]) == set(languages)
    assert gaps["data"]["split"] == "train"


def mpodata_journal(folder: Path) -> Any:
    from mpodata.runtime.journal import Journal

    return Journal(folder / "reference.sqlite")


def test_the_language_of_a_table_that_does_not_say_it_is_told_from_its_texts(tmp_path: Path) -> None:
    table = write(tmp_path / "pairs.csv", rows("en", count=12, label=False, shared=False))
    loaded = open_dataset(table)
    assert not is_paired(loaded)
    assert [row.side.language for row in loaded.rows("en")] == ["en"] * 12
    trained = tokenise(pairs_of(loaded, "train"), tokenizer(), 256)
    assert len(trained.trained("all")) == 12
    assert trained.trained("paired") == ()


def test_every_row_that_cannot_be_trained_on_is_counted_with_its_reason(tmp_path: Path) -> None:
    good = rows("en", "sw", count=3)
    bad = [
        {**good[0], "id": 10, "chosen": ""},
        {**good[1], "id": 11, "rejected": good[1]["chosen"]},
        {**good[5], "id": 12},  # Swahili alone
        {**good[4]},  # again
        {**good[0], "id": 13, "language": "Klingonese"},
        {**good[0], "id": 14, "prompt": None},
    ]
    table = write(tmp_path / "pairs.jsonl", [*good, *bad])
    loaded = open_dataset(table)
    (facts,) = loaded.manifest.builds.values()
    assert dict(facts["dropped"]["source"]) == {
        "duplicate": 1, "empty-chosen": 1, "empty-prompt": 1, "no-dominant-row": 1, "same-answers": 1,
        "unknown-language": 1,
    }  # fmt: skip
    assert sum(config.rows for config in loaded.manifest.configs.values()) == 6
    drops = loaded.folder.with_name(f"{loaded.folder.name}.drops.jsonl").read_text(encoding="utf-8").splitlines()
    assert {"reason": "no-dominant-row", "row": "row-8"} in [json.loads(line) for line in drops]
    assert len(drops) == 6


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("absent.csv", None, r"There is no file .*absent\.csv\. Check the path, or name a version"),
        ("empty.csv", "", "empty.csv is empty"),
        ("other.csv", "question,answer\na,b\n", "needs chosen and rejected; its columns: question, answer"),
        ("blank.csv", "prompt,chosen,rejected\na,,b\n", "has no row to train on: 1 empty-chosen"),
        ("notes.txt", "hello", r"cannot tell what a \.txt file is"),
        ("broken.parquet", "hello", "broken.parquet"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_told_in_one_sentence(
    name: str, text: str | None, told: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told) as caught:
        open_dataset(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.fixture
def native(tmp_path):
    """A version whose languages have rows of their own: ten in English, eight in Swahili."""
    with VersionWriter(tmp_path / "native", parallel=False) as writer:
        writer.add("en", "train", small_versions.rows("en", range(10)))
        writer.add("native.sw", "train", small_versions.rows("sw", range(20, 28)))
        writer.finish(small_versions.facts())
    return load(str(tmp_path / "native"))


def test_of_native_rows_every_language_gives_its_first_ones(native):
    pairs = pairs_of(native, "train")
    kept = first_pairs(native, pairs, 3, enough=True)
    assert [(pair.target.language, pair.source_id) for pair in kept] == [
        ("en", "row-0"), ("en", "row-1"), ("en", "row-2"), ("sw", "row-20"), ("sw", "row-21"), ("sw", "row-22"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="has 8 rows in sw, fewer than --pairs_per_language 9"):
        first_pairs(native, pairs, 9, enough=True)
    assert len(first_pairs(native, pairs, 9, enough=False)) == 17


def test_a_native_version_without_a_language_says_so_and_owes_no_rows_to_another(native):
    with pytest.raises(UnknownName, match="Unknown language 'zh'"):
        pairs_of(native, "train", languages=["zh"])
    assert native.manifest.configs["native.sw"].dropped == {}


def test_rows_per_language_is_another_name_of_the_flag():
    assert renamed_flag("--rows_per_language=4") == "--pairs_per_language=4"
