"""Every flag that this project gives `mpotrain train`, with a value that is understood and one that is refused."""

from dataclasses import fields
from pathlib import Path

import pytest

from mpodata.errors import MpoError
from mpotrain.config import DataConfig, HyperConfig, MethodConfig, MPOConfig, RunConfig, parse
from mpotrain.training.run import check, prepare
from tests.mpodata.readable_version import write_readable

# flag -> (a good value with what it needs beside it, a bad value, words of the refusal)
TABLE = {
    "dataset": ("user/name@v1.0.0#nllb-3.3b", "", "--dataset is missing"),
    "translator": ("nllb-3.3b", None, "expected one argument"),
    "languages": ("sw,zh", "sw,,sw", "names sw 2 times"),
    "dominant_language": ("en", "english!", "english!"),
    "language_weights": ("sw=2,zh=1", "sw=heavy", "sw=heavy"),
    "pairs_per_language": ("100", "0", "must be at least 1"),
    "mix": ("sdrrl --method sft", "sdrl --method sft", "Did you mean 'sdrrl'?"),
    "code_switch": ("0.5 --method sft --mix sdrrl", "1.5 --method sft --mix sdrrl", "must be from 0 to 1"),
    "parallel": ("0.5 --method sft --mix sdrrl", "-1 --method sft --mix sdrrl", "must be from 0 to 1"),
    "method": ("dpo --beta 0.1", "dop", "Did you mean 'dpo'?"),
    "retain": ("paper", "papre", "Did you mean 'paper'?"),
    "retain_weight": ("0.5", "-1", "must not be negative"),
    "reference": ("pocket-chat", "./no-such-model", "There is no model"),
    "gap": ("policy-detached", "polcy", "Did you mean 'policy'?"),
    "length_normalize": ("true --method dpo", "perhaps", "Truthy value expected"),
    "nll_weight": ("0.1 --method dpo", "-0.5", "must not be negative"),
    "dominant_rows": ("false --method dpo", "perhaps", "Truthy value expected"),
    "align_weight": ("0.5 --method lens", "-1 --method lens", "must not be negative"),
    "strength": ("0.5 --method lens", "-1 --method lens", "must not be negative"),
    "alpha": ("0.5 --method rdpo-length", "-1 --method rdpo-length", "must not be negative"),
    "beta": ("2.0", "0", "must be greater than 0"),
    "chosen_weight": ("1.0 --method kto", "-1 --method kto", "must not be negative"),
    "epsilon": ("0.1 --method rdpo-robust", "0.7 --method rdpo-robust", "must be at least 0 and below 0.5"),
    "every": ("3 --method mlc", "0 --method mlc", "must be at least 1"),
    "gamma": ("0.5 --method simpo", "-1 --method simpo", "must not be negative"),
    "normalise_nll": ("true --method cpo", "perhaps", "Truthy value expected"),
    "rejected_weight": ("1.0 --method kto", "-1 --method kto", "must not be negative"),
    "tau": ("0.1 --method ipo", "0 --method ipo", "must be greater than 0"),
    "temperature": ("0.5 --method mlc", "0 --method mlc", "must be greater than 0"),
    "weight": ("1.0 --method orpo", "-1 --method orpo", "must not be negative"),
    "output_dir": ("runs/mpo", None, "expected one argument"),
    "global_batch_size": ("16", "2.5", "must be a whole number"),
    "per_device_train_batch_size": ("4", "0", "must be at least 1"),
    "gradient_accumulation_steps": ("1", "3", "global_batch_size"),
    "max_length": ("1024", "0", "must be at least 1"),
    "truncation": ("released", "end", "Unknown truncation 'end'"),
    "chat_template": ("authors", "autors", "autors"),
    "group_by_pair": ("true", "perhaps", "Truthy value expected"),
    "train_layers": ("30-31", "31-30", "31-30"),
    "bf16_weights": ("true --max_grad_norm 0", "perhaps", "Truthy value expected"),
    "disable_dropout": ("false", "perhaps", "Truthy value expected"),
    "pad": ("true", "perhaps", "Truthy value expected"),
    "num_train_epochs": ("1.5", "0", "must be greater than 0"),
    "learning_rate": ("6e-7", "-0.5", "must be greater than 0"),
    "lr_scheduler_type": ("linear", "cosin", "cosin"),
    "warmup_steps": ("0.1", "-1", "must not be negative"),
    "logging_steps": ("5", "0", "must be greater than 0"),
    "save_strategy": ("epoch", "sometimes", "sometimes"),
    "save_minutes": ("0", "-1", "must not be negative"),
    "report_to": ("none", "wandbb", "Did you mean 'wandb'?"),
    "hub_strategy": ("end", "sometimes", "sometimes"),
}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flags") / "version"
    write_readable(folder, count=2)
    return folder


def parsed(name: str, value: str | None, folder: Path, dataset: str = "demo") -> RunConfig:
    words = [f"--{name}"] if value is None else [f"--{name}", *(value.split(" ") if value else [""])]
    usual = {"dataset": dataset, "model": "pocket-chat", "output_dir": str(folder / "run")}
    given = [part for flag, text in usual.items() if flag != name for part in (f"--{flag}", text)]
    return parse(["--use_cpu", *given, *words])


def prepared(name: str, value: str | None, folder: Path, dataset: str) -> None:
    """Everything before the model is loaded."""
    config = parsed(name, value, folder, dataset)
    prepare(config, check(config))


def test_no_flag_of_ours_is_missing_from_the_table() -> None:
    ours = [field.name for config in (DataConfig, MethodConfig, HyperConfig) for field in fields(config)]
    assert set(TABLE) == {*ours, *MPOConfig.__annotations__}


@pytest.mark.parametrize("name", TABLE)
def test_a_good_value_is_taken(name: str, tmp_path: Path) -> None:
    good = TABLE[name][0].split()[0]
    config = parsed(name, TABLE[name][0], tmp_path)
    holders = (config.data, config.method, config.training)
    value = config.hyper[name] if name in config.hyper else next(getattr(h, name) for h in holders if hasattr(h, name))
    if isinstance(value, list):  # trackers
        assert value == ([] if good == "none" else [good])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        assert value == float(good)
    else:
        assert str(getattr(value, "value", value)).lower() == good


@pytest.mark.parametrize("name", TABLE)
def test_a_bad_value_of_the_trainer_is_refused_in_one_sentence(name: str, version: Path, tmp_path: Path) -> None:
    _, bad, told = TABLE[name]
    with pytest.raises(MpoError) as refusal:
        prepared(name, bad, tmp_path, str(version))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
