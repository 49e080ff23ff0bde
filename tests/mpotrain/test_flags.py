"""Settings are known, typed and bounded, on the command line and in YAML: each mistake is one sentence, exit code 2."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mpodata.errors import ConfigError, MissingPackage, MpoError, UnknownName
from mpotrain import flags
from mpotrain.cli import main
from mpotrain.config import RunConfig, parse


def parsed(folder: Path, *arguments: str, preset: str | None = None, **settings: Any) -> RunConfig:
    """A run of these flags and this YAML."""
    config = folder / "run.yaml"
    config.write_text(yaml.safe_dump(settings))
    return parse(["--output_dir", str(folder / "run"), "--use_cpu", "--config", str(config), *arguments], preset)


def test_yaml_and_flags_say_model_and_out_as_the_documentation_does(tmp_path: Path) -> None:
    assert parsed(tmp_path, model="some/model").model.model_name_or_path == "some/model"
    assert parsed(tmp_path, "--model=other/model", model="some/model").model.model_name_or_path == "other/model"
    for name in ("--out", "--output_dir"):
        assert parse([name, str(tmp_path / "here"), "--use_cpu"]).training.output_dir == str(tmp_path / "here")
    (tmp_path / "out.yaml").write_text(f"out: {tmp_path / 'there'}\n")
    assert parse(["--config", str(tmp_path / "out.yaml"), "--use_cpu"]).training.output_dir == str(tmp_path / "there")
    with pytest.raises(ConfigError, match="says model_name_or_path twice"):
        parsed(tmp_path, model="a/b", model_name_or_path="c/d")


BAD = [
    ("per_device_train_batch_size", 2.5, "per_device_train_batch_size must be a whole number, got 2.5."),
    ("global_batch_size", 0, "global_batch_size must be at least 1, got 0."),
    ("global_batch_size", True, "global_batch_size must be a number, got True."),
    ("learning_rate", -1e-6, "learning_rate must be greater than 0, got -1e-06."),
    ("learning_rate", float("nan"), "learning_rate must be greater than 0, got nan."),
    ("beta", -0.1, "beta must be greater than 0, got -0.1."),
    ("beta", float("inf"), "beta must be greater than 0, got inf."),
    ("num_train_epochs", 0, "num_train_epochs must be greater than 0, got 0."),
    ("max_length", 0, "max_length must be at least 1, got 0."),
    ("pairs_per_language", 0, "pairs_per_language must be at least 1, got 0."),
    ("pairs_per_language", -3, "pairs_per_language must be at least 1, got -3."),
    ("retain_weight", -1, "retain_weight must not be negative, got -1."),
    ("nll_weight", -0.5, "nll_weight must not be negative, got -0.5."),
    ("warmup_steps", -1, "warmup_steps must not be negative, got -1."),
    ("weight_decay", -0.1, "weight_decay must not be negative, got -0.1."),
    ("save_minutes", -1, "save_minutes must not be negative, got -1."),
    ("adam_beta1", 1.0, "adam_beta1 must be at least 0 and below 1, got 1."),
    ("lora_r", 0, "lora_r must be at least 1, got 0."),
    ("truncation", "end", "Unknown truncation 'end'"),
    ("report_to", "wandbb", "Unknown tracker of --report_to: 'wandbb'. Did you mean 'wandb'?"),
    ("languages", "sw,sw", "--languages names sw 2 times."),
    ("languages", "", "--languages names no language"),
]


@pytest.mark.parametrize("where", ["flag", "yaml"])
@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_value_that_cannot_be_is_named(name: str, value: Any, sentence: str, where: str, tmp_path: Path) -> None:
    with pytest.raises(MpoError) as caught:
        parsed(tmp_path, f"--{name}={value}") if where == "flag" else parsed(tmp_path, **{name: value})
    message = str(caught.value)
    assert sentence in message or (where == "flag" and f"--{name} must be a whole number, got '{value}'" in message)


def test_hyper_parameters_are_bounded_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gamma must not be negative, got -1"):
        parsed(tmp_path, method="simpo", gamma=-1.0)


def test_an_unknown_flag_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown flag --learning_rat\. Did you mean --learning_rate\?"):
        parsed(tmp_path, "--learning_rat", "1")
    with pytest.raises(ConfigError, match=r"Unknown setting 'bta' in .*run\.yaml\. Did you mean beta\?"):
        parsed(tmp_path, bta=1)


def test_the_search_space_is_no_preset(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown preset 'search'") as caught:
        parsed(tmp_path, preset="search")
    assert "Known:" in str(caught.value)
    assert ", search" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "- a list\n", "\x00", "a: [1, 2"])
def test_invalid_yaml_is_one_sentence(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    for arguments in (["--config", str(tmp_path / "broken.yaml")], ["--preset", str(tmp_path / "broken.yaml")]):
        assert main(["train", "--output_dir", str(tmp_path / "run"), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("mpotrain: ")
        assert error.count("\n") == 1


def test_a_released_preset_is_its_paper_preset_cut_as_the_code_cuts(tmp_path: Path) -> None:
    paper, released = (parsed(tmp_path, preset=f"llama-3.1-8b{suffix}") for suffix in ("", "-released"))
    assert (paper.training.max_length, paper.training.truncation) == (2048, "answer")
    assert (released.training.max_length, released.training.truncation) == (1024, "released")
    assert released.training.learning_rate == paper.training.learning_rate
    assert released.hyper == paper.hyper
    assert paper.training.chat_template == "authors"


@pytest.mark.parametrize("package", ["wandb", "trackio", "tensorboard"])
def test_a_missing_tracker_is_said_before_anything_is_loaded(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flags, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=rf"--report_to {package} needs the package '{package}': pip install"):
        parsed(tmp_path, report_to=package)


def test_a_number_in_place_of_a_flag_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "preset.yaml").write_text("1: 2\n")
    with pytest.raises(ConfigError, match="1 is no flag"):
        flags.read_yaml(tmp_path / "preset.yaml")
