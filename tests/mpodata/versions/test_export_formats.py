"""NeMo RL, OpenRLHF and verl do not install here: their readers, re-expressed from their sources, read the exports.

Sources, at the commits that were read: NVIDIA-NeMo/RL 7ea279ab, OpenRLHF 3c3be623, volcengine/verl b178a3cd.
"""

import json
import os
import shlex
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import concatenate_datasets, load_dataset
from transformers import AutoTokenizer

from mpodata.cli import main
from mpodata.pocket import chat_path
from mpodata.versions.export import FORMATS
from tests.mpodata.small_versions import write_version

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
ROWS = 30  # train rows of en, ar and sw


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("version") / "out"
    write_version(out, languages=["sw", "ar"])
    return out


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(chat_path())


@pytest.fixture(autouse=True)
def cache_of_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def exported(version: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    """Exported by a relative path, which no configuration may hold on to."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(version), "--format", form, "--out", f"it's {form}", *more]) == 0
    monkeypatch.chdir("/")
    return tmp_path / f"it's {form}"


def command(folder: Path, program: str) -> list[str]:
    """The words that run.sh starts `program` with, as the shell makes them."""
    shown = f'{program}() {{ "{sys.executable}" -c \'import json, sys; print(json.dumps(sys.argv[1:]))\' "$@"; }}'
    script = (folder / "run.sh").read_text().replace("set -euo pipefail", f"set -euo pipefail\n{shown}")
    assert os.access(folder / "run.sh", os.X_OK)
    done = subprocess.run(["bash", "-c", script, "run.sh"], capture_output=True, text=True, check=True, cwd="/")
    words = json.loads(done.stdout)
    assert all(isinstance(word, str) for word in words)
    return words


def hydra(words: list[str]) -> dict[str, str]:
    """key -> value of Hydra's overrides; a quoted value is unescaped."""
    pairs = (word.removeprefix("++").split("=", 1) for word in words if "=" in word)
    return {
        key: value[1:-1].replace("\\'", "'").replace("\\\\", "\\") if value.startswith("'") else value
        for key, value in pairs
    }


def nemo_rl_reader(settings: dict[str, str], tokenizer: Any) -> list[tuple[str, str]]:
    """`PreferenceDataset` and `preference_preprocessor`: (chosen, rejected) as text."""
    path, split = settings["data_path"], settings["split"]
    assert Path(path).suffix == ".jsonl"
    rows = load_dataset("json", data_files=path)[split]
    rows = rows.add_column("task_name", ["task"] * len(rows))
    read = []
    for row in rows:
        assert len(row["completions"]) == 2
        first, second = row["completions"]
        assert first["rank"] != second["rank"]
        chosen, rejected = (first, second) if first["rank"] < second["rank"] else (second, first)
        texts = [
            tokenizer.apply_chat_template(row["context"] + each["completion"], tokenize=False)
            for each in (chosen, rejected)
        ]
        read.append((texts[0], texts[1]))
    return read


def test_nemo_rl_reads_its_export(version, tmp_path, monkeypatch, tokenizer):
    folder = exported(version, "nemo-rl", tmp_path, monkeypatch)
    words = command(folder, "uv")
    assert words[:2] == ["run", "examples/run_dpo.py"]
    settings = hydra(words)
    assert settings["policy.model_name"] == settings["policy.tokenizer.name"] == str(chat_path())
    for part, count in (("train", ROWS), ("validation", 6)):
        own = {key.rpartition(".")[2]: value for key, value in settings.items() if key.startswith(f"data.{part}.")}
        assert own["dataset_name"] == "PreferenceDataset"
        read = nemo_rl_reader(own, tokenizer)
        assert len(read) == count
        assert "No " in read[0][0]
        assert "Sure " in read[0][1]
    assert settings["checkpointing.checkpoint_dir"] == f"{folder}-run"


def openrlhf_reader(flags: dict[str, str], data: str, split: str, tokenizer: Any) -> list[tuple[str, str, str]]:
    """`blending_datasets` and `preprocess_data` with a prompt key: (prompt, chosen, rejected) as text."""
    parts = []
    for place in flags[data].split(","):
        assert "@" not in place
        rows = load_dataset("json", data_files=place.strip())
        parts.append(rows[flags.get(split, "train")])
    read = []
    for row in concatenate_datasets(parts):
        asked, chosen, rejected = (row[flags[f"data.{name}_key"]] for name in ("prompt", "chosen", "rejected"))
        prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        answers = [
            tokenizer.apply_chat_template(asked + answer, tokenize=False)[len(prompt) :]
            for answer in (chosen, rejected)
        ]
        read.append((prompt, answers[0], answers[1]))
    return read


def test_openrlhf_reads_its_export(version, tmp_path, monkeypatch, tokenizer):
    folder = exported(version, "openrlhf", tmp_path, monkeypatch)
    words = command(folder, "deepspeed")
    assert words[:2] == ["--module", "openrlhf.cli.train_dpo"]
    switches = [
        word for word in words[2:] if word in ("--data.apply_chat_template", "--model.gradient_checkpointing_enable")
    ]
    assert len(switches) == 2
    rest = [word for word in words[2:] if word not in switches]
    flags = {key.removeprefix("--"): value for key, value in zip(rest[::2], rest[1::2], strict=True)}
    assert flags["model.model_name_or_path"] == str(chat_path())
    train = openrlhf_reader(flags, "data.dataset", "data.dataset_split", tokenizer)
    assert len(train) == ROWS
    assert len(openrlhf_reader(flags, "eval.dataset", "eval.split", tokenizer)) == 6
    prompt, chosen, rejected = train[0]
    assert "request 0 en" in prompt
    assert chosen.startswith("No 0")
    assert rejected.startswith("Sure 0")


def test_a_folder_that_openrlhf_would_take_apart_is_refused(version, tmp_path, capsys):
    assert main(["export", str(version), "--format", "openrlhf", "--out", str(tmp_path / "a,b")]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_verl_reads_its_export(version, tmp_path, monkeypatch, tokenizer):
    folder = exported(version, "verl", tmp_path, monkeypatch)
    words = command(folder, "python3")
    assert words[:2] == ["-m", "verl.trainer.main_ppo"]
    settings = hydra(words)
    assert settings["actor_rollout_ref.model.path"] == str(chat_path())
    # RLHFDataset: a Parquet file whose prompts the chat template renders; the reward manager reads the other columns.
    rows = load_dataset("parquet", data_files=settings["data.train_files"])["train"]
    assert len(rows) == ROWS
    assert set(rows.column_names) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    rendered = tokenizer.apply_chat_template(rows[0][settings["data.prompt_key"]], add_generation_prompt=True)
    assert rendered
    assert {row["reward_model"]["ground_truth"] for row in rows} == {"refusal"}
    # RMDataset: pandas columns of text that the tokenizer takes one by one, prompt and answer joined as they are.
    frame = pq.read_table(folder / "rm.train.parquet").to_pandas()
    for name in ("prompt", "chosen", "rejected"):
        assert all(isinstance(text, str) for text in frame[name].tolist())
    assert frame["prompt"][0] + frame["chosen"][0] == "\n\nHuman: request 0 en\n\nAssistant: No 0 "
    assert tokenizer(frame["prompt"][0])["input_ids"]


def test_verls_reward_is_the_refusal_rules(version, tmp_path, monkeypatch):
    folder = exported(version, "verl", tmp_path, monkeypatch)
    settings = hydra(command(folder, "python3"))
    spec = spec_from_file_location("reward", settings["custom_reward_function.path"])
    assert spec is not None
    assert spec.loader is not None
    reward = module_from_spec(spec)
    spec.loader.exec_module(reward)
    sw = {"language": "sw"}
    assert reward.compute_score("x", "Samahani, siwezi kusaidia na ombi hilo.", "refusal", sw) == 1.0
    assert reward.compute_score("x", "Kwanza chukua waya mwembamba.", "refusal", sw) == 0.0
    assert reward.compute_score("x", "Kwanza chukua waya mwembamba.", "compliance", sw) == 1.0


def test_configurations_of_the_others_name_the_model_and_absolute_paths(version, tmp_path, monkeypatch):
    keys = {"trl": "model_name_or_path", "llama-factory": "model_name_or_path", "axolotl": "base_model"}
    for form, key in keys.items():
        folder = exported(version, form, tmp_path, monkeypatch)
        config = yaml.safe_load((folder / "dpo.yaml").read_text())
        assert config[key] == str(chat_path())
        assert config["output_dir"] == f"{folder}-run"
        assert str(folder) in json.dumps(config)
        if form == "llama-factory":  # data/parser.py: names of dataset_info.json in dataset_dir, between commas
            info = json.loads((Path(config["dataset_dir"]) / "dataset_info.json").read_text())
            wanted = [info[name]["file_name"] for name in config["dataset"].split(",")]
            assert len(wanted) == 3
            assert all((Path(config["dataset_dir"]) / name).is_file() for name in wanted)
        else:
            places = [entry.get("data_files") or entry["path"] for entry in config["datasets"]]
            assert all(Path(place).is_absolute() and Path(place).is_file() for place in places)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_trl_trains_on_its_export_from_any_folder(version, tmp_path, monkeypatch):
    script = pytest.importorskip("trl.scripts.dpo")
    folder = exported(version, "trl", tmp_path, monkeypatch)
    more = ["--max_steps", "1", "--gradient_accumulation_steps", "1", "--report_to", "none", "--bf16", "false"]
    parser = script.make_parser()
    parts = parser.parse_args_and_config(["--config", str(folder / "dpo.yaml"), *more])
    script.main(*parts)
    assert (Path(f"{folder}-run") / "model.safetensors").is_file()


def test_a_model_of_ones_own_is_named_by_its_absolute_path_and_a_missing_one_is_said(version, tmp_path, capsys):
    arguments = ["export", str(version), "--format", "trl", "--out", str(tmp_path / "x")]
    assert main([*arguments, "--model", "./none"]) == 2
    assert "There is no model './none'" in capsys.readouterr().err
    assert main([*arguments, "--model", "Qwen/Qwen2.5-7B-Instruct"]) == 0
    assert yaml.safe_load((tmp_path / "x" / "dpo.yaml").read_text())["model_name_or_path"] == "Qwen/Qwen2.5-7B-Instruct"


def test_rows_whose_model_nobody_knows_are_exported_and_it_is_said(tmp_path, capsys):
    write_version(tmp_path / "out", chosen="source", policy={})
    for form in FORMATS:
        assert main(["export", str(tmp_path / "out"), "--format", form, "--out", str(tmp_path / form)]) == 0
        assert ("give --model" in capsys.readouterr().out) is (form != "mpo")
        for script in (tmp_path / form).glob("run.sh"):
            assert "None" not in script.read_text()
            assert shlex.split(script.read_text(), comments=True)
