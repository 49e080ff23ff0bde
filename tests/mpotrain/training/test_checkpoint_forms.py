"""Models as users have them: one GGUF file, several weight files, tied embeddings, windows, huge vocabularies."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from mpodata import cli
from mpotrain.cli import main
from mpotrain.model import head
from mpotrain.model.batches import Tokens, pack
from mpotrain.model.forward import attach, measure
from tests.mpodata.tiny_models import tiny_gguf
from tests.mpotrain.tiny_dataset import checkpoint, tokenizer, version


def train(world: Path, name: str, model: str, *more: str) -> Path:
    """Two steps of MPO; the run's folder."""
    where = ["--dataset", str(world / "data"), "--model", model, "--output_dir", str(world / name)]
    usual = ["--max_steps", "2", "--learning_rate", "1e-3", "--use_cpu", "--disable_tqdm", "true"]
    assert main(["train", *where, *usual, *more]) == 0
    return world / name


@pytest.fixture
def world(tmp_path: Path) -> Path:
    version(tmp_path / "data")
    return tmp_path


@pytest.mark.slow
def test_a_gguf_file_is_trained_measured_and_evaluated(world: Path) -> None:
    model = tiny_gguf(world / "tiny.gguf")
    run = train(world, "run", model)
    trained = AutoModelForCausalLM.from_pretrained(run)
    assert not hasattr(trained.config, "quantization_config")
    record = json.loads((run / "run.json").read_text())
    assert record["base_model"] == model
    gap = world / "gap.json"
    assert main(["gap", "--dataset", str(world / "data"), "--model", str(run), "--out", str(gap)]) == 0
    measured = json.loads(gap.read_text())
    assert measured["base"] == model
    assert measured["languages"]["sw"]["dpo"]["value"] != 0, "against the GGUF file that the run started from"
    asked = ["--benchmarks", "pocket", "--languages", "en", "--limit", "2", "--max-tokens", "4"]
    assert main(["eval", "--run", str(run), "--baseline", *asked, "--gap", "off", "--out", str(world / "eval")]) == 0
    cells = json.loads((world / "eval" / "results.json").read_text())["cells"]
    assert sum(cell["answers"] for cell in cells) == 4


def test_a_gguf_file_answers_a_build(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_gguf(world / "tiny.gguf")
    command = ["build", "--source", "pocket", "--samples", "4", "--model", model, "--languages", "", "--out"]
    settings = ["--set", "sampling.max_tokens=4", "--set", "sampling.candidates=1", "--set", "test_share=0.0"]
    assert cli.main([*command, str(world / "built"), *settings]) == 2
    assert "No pair is left in en: 4 unfinished" in capsys.readouterr().err, "random weights do not stop"
    rows = (world / "built.work" / "drops.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in rows] == ["unfinished"] * 4, "where the sentence says they are"


@pytest.mark.parametrize(
    "words", [["gap", "--model"], ["train", "--model"], ["eval", "--benchmarks", "pocket", "--model"]]
)
def test_a_file_that_is_no_model_is_refused_in_one_sentence(
    words: list[str], world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (world / "weights.bin").write_bytes(b"GGUF")
    place = ["--out", str(world / "out")] if words[0] != "train" else ["--output_dir", str(world / "out")]
    data = [] if words[0] == "eval" else ["--dataset", str(world / "data")]
    assert main([*words, str(world / "weights.bin"), *data, *place]) == 2
    assert "is a file: give the folder of a model, a Hub id or a .gguf file" in capsys.readouterr().err


def test_weights_in_several_files_train_as_in_one(world: Path) -> None:
    whole = checkpoint(world / "whole")
    model = AutoModelForCausalLM.from_pretrained(whole)
    model.save_pretrained(world / "sharded", max_shard_size="30KB")
    tokenizer().save_pretrained(world / "sharded")
    assert len(list((world / "sharded").glob("*.safetensors"))) > 2
    one, several = (train(world, f"run-{name}", str(world / name)) for name in ("whole", "sharded"))
    ours, theirs = (load_file(run / "model.safetensors") for run in (one, several))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def save(folder: Path, kind: str, **options: Any) -> str:
    """A random checkpoint of an architecture that reads the tiny tokenizer."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 256, "bos_token_id": 0, "pad_token_id": 1,
        "eos_token_id": 4, "initializer_range": 0.2,
    }  # fmt: skip
    AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**(sizes | options))).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("more", [[], ["--bf16_weights", "true", "--max_grad_norm", "0"]], ids=["float32", "bf16"])
def test_tied_embeddings_are_trained_once_and_stay_tied(world: Path, more: list[str]) -> None:
    model = save(world / "model", "qwen2", tie_word_embeddings=True)
    run = train(world, "run", model, *more)
    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (model, run))
    assert after.lm_head.weight.data_ptr() == after.model.embed_tokens.weight.data_ptr()
    assert "lm_head.weight" not in load_file(run / "model.safetensors")
    assert not torch.equal(after.lm_head.weight.float(), before.lm_head.weight)


@pytest.mark.parametrize("kind", ["mistral", "gemma3_text"])
def test_a_sliding_window_trains_packed_as_it_does_padded(world: Path, kind: str) -> None:
    model = save(world / "model", kind, sliding_window=8, head_dim=16)
    # AdamW divides by the gradient's own size; a larger epsilon keeps float32's rounding of gradients near 0 small.
    runs = [train(world, f"pad-{pad}", model, "--pad", pad, "--adam_epsilon", "1e-4") for pad in ("false", "true")]
    ends = [load_file(run / "model.safetensors") for run in runs]
    start = load_file(Path(model) / "model.safetensors")
    moved = max(float((ends[0][name] - start[name]).abs().max()) for name in start)
    apart = max(float((ends[0][name] - ends[1][name]).abs().max()) for name in start)
    assert apart < moved / 100


class Sizes(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operator makes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.nbytes)
        return made


def test_a_vocabulary_of_262_thousand_trains_with_flat_memory() -> None:
    """The largest tensor is the head's own gradient, however many tokens are scored; full logits would be 8x that."""
    words = 262_144
    config = CONFIG_MAPPING["gemma3_text"](
        vocab_size=words, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, tie_word_embeddings=True,
    )  # fmt: skip
    model: Any = AutoModelForCausalLM.from_config(config)
    attach(model)
    largest = []
    for answer in (40, 128):
        ids = tuple(torch.randint(words, (4 + answer,), generator=torch.Generator().manual_seed(answer)).tolist())
        with Sizes() as sizes:
            measure(model, pack([Tokens(ids, 4)])).log_probs.sum().backward()
        largest.append(sizes.largest)
    weight = 4 * words * config.hidden_size
    assert largest == [max(weight, head.SEGMENT_BYTES["cpu"])] * 2
    assert 4 * words * 128 >= 8 * max(largest)
