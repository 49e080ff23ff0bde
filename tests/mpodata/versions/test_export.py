"""Exports, each read by the real loader where it installs, by its documented form where it does not."""

import json
from pathlib import Path

import pytest
import yaml
from datasets import load_dataset

from mpodata.cli import main
from mpodata.records import Pair, Quality, Side, content_id
from mpodata.sources.released_mpo import released_mpo
from mpodata.versions.load import load
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts, write_version


@pytest.fixture
def version(tmp_path: Path) -> Path:
    write_version(tmp_path / "out", languages=["sw", "ar"])
    return tmp_path / "out"


def exported(version: Path, form: str, tmp_path: Path) -> Path:
    assert main(["export", str(version), "--format", form, "--out", str(tmp_path / form)]) == 0
    return tmp_path / form


def test_a_config_trains_in_trl_as_it_is(version: Path, tmp_path: Path) -> None:
    data_utils = pytest.importorskip("trl.data_utils")
    rows = load_dataset(str(version), "nllb-600m.sw", split="train", cache_dir=str(tmp_path / "cache"))
    assert data_utils.is_conversational(rows[0])
    assert {"prompt", "chosen", "rejected"} <= set(rows.column_names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_trl_reads_its_export(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = pytest.importorskip("trl.scripts.dpo")
    get_dataset = pytest.importorskip("trl").get_dataset
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = exported(version, "trl", tmp_path)
    *_, mixture = scripts.make_parser().parse_args_and_config(["--config", str(folder / "dpo.yaml"), "--bf16", "false"])
    rows = get_dataset(mixture)["train"]
    assert len(rows) == 30
    assert rows[10]["prompt"] == [{"role": "user", "content": "request 0 ar"}]


def test_llama_factory_gets_its_documented_form(version: Path, tmp_path: Path) -> None:
    """data/README.md: sharegpt preference data, with the tags of the OpenAI format; jsonl is an allowed file type."""
    folder = exported(version, "llama-factory", tmp_path)
    info = json.loads((folder / "dataset_info.json").read_text())
    assert sorted(info) == sorted(f"{c}.{s}" for c in ("en", "nllb-600m.ar", "nllb-600m.sw") for s in ("train", "test"))
    for entry in info.values():
        assert set(entry) == {"file_name", "formatting", "ranking", "columns", "tags"}
        assert entry["formatting"] == "sharegpt"
        assert entry["ranking"] is True
        assert set(entry["tags"]) == {"role_tag", "content_tag", "user_tag", "assistant_tag", "system_tag"}
        for line in (folder / entry["file_name"]).read_text().splitlines():
            row, tags = json.loads(line), entry["tags"]
            messages = row[entry["columns"]["messages"]]
            assert [message[tags["role_tag"]] for message in messages] == [tags["user_tag"]]  # odd turns are the user's
            for answer in (row[entry["columns"]["chosen"]], row[entry["columns"]["rejected"]]):
                assert answer[tags["role_tag"]] == tags["assistant_tag"]
                assert isinstance(answer[tags["content_tag"]], str)


def test_axolotl_gets_its_documented_form(version: Path, tmp_path: Path) -> None:
    """docs/rlhf.qmd, chat_template.default: a list of messages, and one message each for chosen and rejected."""
    folder = exported(version, "axolotl", tmp_path)
    config = yaml.safe_load((folder / "dpo.yaml").read_text())
    assert config["rl"] == "dpo"
    assert len(config["datasets"]) == 3
    for entry in config["datasets"]:
        assert entry["type"] == "chat_template.default"
        rows = load_dataset(
            entry["ds_type"], data_files=entry["path"], split="train", cache_dir=str(tmp_path / "cache")
        )
        assert len(rows) == 10
        assert [turn["role"] for turn in rows[0][entry["field_messages"]]] == ["user"]
        assert rows[0][entry["field_chosen"]]["role"] == rows[0][entry["field_rejected"]]["role"] == "assistant"


def test_the_released_schema_has_the_columns_of_the_released_files(version: Path, tmp_path: Path) -> None:
    folder = exported(version, "mpo", tmp_path)
    rows = json.loads((folder / "nllb-600m.train.json").read_text())
    assert len(rows) == 20
    assert set(rows[0]) == {
        f"{side}_{part}" for side in ("source", "target") for part in ("conversations", "chosen", "rejected")
    }


ASKED = {
    "en": "How do I open the door of house number {n} without a key?",
    "sw": "Ninawezaje kufungua mlango wa nyumba namba {n} bila ufunguo?",
    "ar": "كيف أفتح باب البيت رقم {n} بدون مفتاح؟",
}
REFUSED = {
    "en": "I can't help with that.",
    "sw": "Samahani, siwezi kusaidia na hilo.",
    "ar": "لا أستطيع مساعدتك في ذلك.",
}
HELPED = {"en": "First take a thin wire.", "sw": "Kwanza chukua waya mwembamba.", "ar": "أولا خذ سلكا رفيعا."}


def test_pairs_exported_in_the_released_schema_are_read_back_as_they_were(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "version") as writer:
        for code in ASKED:
            sides = (Side(code, ASKED[code].format(n=n), REFUSED[code], HELPED[code]) for n in range(8))
            rows = (Row(content_id(str(n)), side, "theft", f"row-{n}", Quality()) for n, side in enumerate(sides))
            writer.add("en" if code == "en" else f"nllb-600m.{code}", "train", rows)
        writer.finish(facts())
    folder = exported(tmp_path / "version", "mpo", tmp_path)
    source = released_mpo(path=str(folder / "nllb-600m.train.json"), languages=["sw", "ar"])
    targets = {(pair.target.language, pair.target.prompt) for pair in source.pairs() if isinstance(pair, Pair)}
    assert targets == {(code, ASKED[code].format(n=n)) for code in ("sw", "ar") for n in range(8)}


def test_a_reference_picks_the_translator(version: Path, tmp_path: Path) -> None:
    write_version(tmp_path / "two", languages=["sw"], translator="google", base=version, dominant_too=False)
    assert load(f"{tmp_path}/two").translators() == ("google", "nllb-600m")
    assert main(["export", f"{tmp_path}/two#google", "--format", "trl", "--out", str(tmp_path / "x")]) == 0
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "dpo.yaml", "en.test.jsonl", "en.train.jsonl", "google.sw.test.jsonl", "google.sw.train.jsonl",
    ]  # fmt: skip


def test_mistakes_are_one_sentence_and_nothing_remains(
    version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    for arguments, told in (
        ([str(version), "--format", "trll", "--out", str(tmp_path / "a")], "Did you mean 'trl'"),
        ([str(version), "--format", "trl", "--out", str(tmp_path / "taken")], "exists"),
        ([str(tmp_path / "none"), "--format", "trl", "--out", str(tmp_path / "a")], "no published version"),
    ):
        assert main(["export", *arguments]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "taken"]
