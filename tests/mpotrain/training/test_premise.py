"""The gaps before training are reported, with a warning where MPO's premise fails."""

from pathlib import Path
from typing import Any

import pytest

from mpotrain.cli import main
from mpotrain.runs import read_run
from mpotrain.training.premise import premise_lines
from tests.mpotrain.tiny_dataset import checkpoint, version


def test_a_leading_dominant_language_is_reported_without_a_warning() -> None:
    (line,) = premise_lines({"sw": 0.05, "en": 1.58, "zh": 0.36}, "en")
    assert "en +1.58, sw +0.05, zh +0.36" in line


def test_a_dominant_language_that_does_not_lead_is_a_warning() -> None:
    _, warning = premise_lines({"en": 0.03, "zh": 0.17, "sw": -0.33}, "en")
    assert "MPO's premise does not hold here: the gap of en is not above that of zh" in warning


def test_train_reports_the_gaps_and_records_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flags = ["--dataset", str(version(tmp_path / "data")), "--model", str(checkpoint(tmp_path / "model"))]
    more = ["--use_cpu", "--disable_tqdm", "true", "--max_steps", "1", "--learning_rate", "1e-3"]
    assert main(["train", *flags, *more, "--output_dir", str(tmp_path / "run")]) == 0
    assert "Reward gap before training" in caplog.text
    record = read_run(tmp_path / "run")
    assert list(record["gaps_before"]) == ["en", "sw", "zh"]
    caplog.clear()
    assert main(["train", *flags, *more, "--method", "dpo", "--output_dir", str(tmp_path / "dpo")]) == 0
    assert "Reward gap before training" not in caplog.text


@pytest.mark.filterwarnings("ignore:Could not find a config file in me/tiny")  # PEFT, offline
def test_an_adapter_names_its_bases_revision_and_a_merge_loads_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two revisions of one model in a Hub cache; the run was made from the older one."""
    import torch
    from safetensors.torch import load_file

    from mpotrain.evaluation.merge import merged

    hub = tmp_path / "hub" / "models--me--tiny"
    for name, commit, scale in (("v1", "a" * 40, 1.0), ("main", "b" * 40, 0.5)):
        folder = hub / "snapshots" / commit
        checkpoint(folder)
        rescale(folder, scale)
        (hub / "refs").mkdir(exist_ok=True)
        (hub / "refs" / name).write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    lora = ["--use_peft", "--lora_r", "2", "--lora_target_modules", "all-linear"]
    flags = ["--dataset", str(version(tmp_path / "data")), "--model", "me/tiny", "--model_revision", "v1", "--use_cpu"]
    run = tmp_path / "run"
    more = ["--max_steps", "1", "--learning_rate", "1e-3", "--disable_tqdm", "true", "--output_dir", str(run)]
    assert main(["train", *flags, *lora, *more]) == 0
    assert f'"revision": "{"a" * 40}"' in (run / "adapter_config.json").read_text()
    base = load_file(hub / "snapshots" / ("a" * 40) / "model.safetensors")
    whole = load_file(merged(run) / "model.safetensors")
    name = "model.embed_tokens.weight"
    assert torch.equal(whole[name], base[name])


def rescale(folder: Path, scale: float) -> None:
    from safetensors.torch import load_file, save_file

    weights: dict[str, Any] = load_file(folder / "model.safetensors")
    save_file({name: value * scale for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
