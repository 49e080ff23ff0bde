"""`--train_layers` moves the named layers and nothing else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mpodata.errors import ConfigError
from mpotrain.cli import main
from mpotrain.model.layers import parse_layers, trained_names
from tests.mpotrain.random_models import MODELS, tiny
from tests.mpotrain.tiny_dataset import checkpoint, version


@pytest.mark.parametrize(("text", "layers"), [("30-31", {30, 31}), ("0", {0}), ("0, 2,5-7", {0, 2, 5, 6, 7})])
def test_layers_are_numbers_and_ranges(text: str, layers: set[int]) -> None:
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1,,2", "1.5"])
def test_what_is_no_layer_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="train_layers must look like 30-31"):
        parse_layers(text)


@pytest.mark.parametrize("kind", MODELS)
def test_every_architecture_has_its_layers_found(kind: str) -> None:
    model = tiny(kind)
    last = trained_names(model, frozenset({1}))
    assert last
    assert all(".1." in name for name in last)
    assert not any("embed" in name or "lm_head" in name for name in last)
    with pytest.raises(ConfigError, match="names layer 2, which the model lacks: it has layers 0 to 1"):
        trained_names(model, frozenset({1, 2}))


def test_a_run_moves_the_named_layer_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = checkpoint(tmp_path / "model")
    where = ["--dataset", str(version(tmp_path / "data")), "--model", str(model), "--use_cpu", "--max_steps", "2"]
    more = ["--learning_rate", "1e-2", "--warmup_steps", "0", "--disable_tqdm", "true"]
    run = tmp_path / "run"
    assert main(["train", *where, *more, "--output_dir", str(run), "--train_layers", "1"]) == 0
    before, after = load_file(model / "model.safetensors"), load_file(run / "model.safetensors")
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("model.layers.1.") for name in moved)
    mistakes = ((["--train_layers", "2"], "names layer 2"), (["--train_layers", "1", "--use_peft"], "no effect"))
    for bad, sentence in mistakes:
        assert main(["train", *where, *more, "--output_dir", str(tmp_path / "other"), *bad]) == 2
        assert sentence in capsys.readouterr().err
