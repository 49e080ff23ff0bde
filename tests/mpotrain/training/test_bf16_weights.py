"""16-bit weights whose gradients are applied one by one follow float32's path at the learning rate of the paper."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from mpodata.runtime.journal import Journal
from mpotrain.cli import main
from mpotrain.model.batches import Tokens, pack
from mpotrain.model.forward import attach, measure
from mpotrain.model.loading import Policy
from mpotrain.training import memory
from mpotrain.training.layerwise import LayerwiseAdamW
from mpotrain.training.memory import GIB, largest_forward, need, with_activations
from tests.mpotrain.tiny_dataset import chat_model, checkpoint, version
from tests.mpotrain.training_runs import train

LAYERWISE = {"bf16_weights": True, "max_grad_norm": 0.0}
PAPER_RATE = {"learning_rate": 6e-7, "num_train_epochs": 8}  # 32 steps


def policy(dtype: torch.dtype) -> Policy:
    """The tiny chat model with weights that bfloat16 holds exactly."""
    model: Any = chat_model().to(torch.bfloat16).to(dtype)
    attach(model)
    return Policy(model, True, "tiny", {"weights": f"rounded-{dtype}"})


def moves(model: Any, weight: Any = lambda parameter: parameter.detach().float()) -> torch.Tensor:
    """All weights less the ones it started with, as one vector."""
    start = policy(torch.float32).model
    pairs = zip(model.parameters(), start.parameters(), strict=True)
    return torch.cat([(weight(parameter) - before.detach()).flatten() for parameter, before in pairs])


@pytest.mark.flow
def test_the_path_is_float32s_at_a_learning_rate_of_6e_7(tmp_path: Path) -> None:
    full = train(tmp_path / "full", made=policy(torch.float32), max_grad_norm=0.0, **PAPER_RATE)
    short = train(tmp_path / "short", made=policy(torch.bfloat16), **LAYERWISE, **PAPER_RATE)
    plain = train(tmp_path / "plain", made=policy(torch.bfloat16), max_grad_norm=0.0, **PAPER_RATE)
    layerwise = short.trainer.layerwise
    assert layerwise is not None
    expected, kept = moves(full.trainer.model), moves(short.trainer.model, layerwise.exact_weight)
    assert torch.cosine_similarity(kept, expected, dim=0) > 0.95
    assert float(kept.norm() / expected.norm()) == pytest.approx(1, abs=0.05)
    assert float(moves(plain.trainer.model).norm() / expected.norm()) < 0.3  # what rounding leaves of it
    torch.testing.assert_close(torch.tensor(short.losses), torch.tensor(full.losses), rtol=0.02, atol=0.005)
    assert sum(short.norms) == pytest.approx(sum(full.norms), rel=0.02)
    assert short.norms[0] == pytest.approx(plain.norms[0], rel=2**-8)  # the same gradients; Trainer's is in bfloat16


def test_one_gradient_exists_at_a_time_and_none_after_backward() -> None:
    model = chat_model().to(torch.bfloat16)
    optimizer = LayerwiseAdamW(model, lr=0.1)
    others: list[int] = []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _: others.append(sum(p.grad is not None for p in model.parameters()))
        )
    before = copy.deepcopy(model)
    ids = torch.arange(12)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    assert others == [0] * len(list(model.parameters()))
    assert optimizer.norm() > 0
    assert optimizer.norm() == 0, "read once a step"
    changed = [not torch.equal(p, q) for p, q in zip(model.parameters(), before.parameters(), strict=True)]
    assert all(changed)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings = {"learning_rate": 1e-4, "num_train_epochs": 2, "save_strategy": "steps", "save_steps": 4, **LAYERWISE}
    half = tmp_path / "run" / "checkpoint-4"
    with Journal(tmp_path / "reference.sqlite") as journal:
        whole = train(tmp_path / "run", made=policy(torch.bfloat16), journal=journal, **settings)
        again = policy(torch.bfloat16)
        torch.nn.init.zeros_(again.model.lm_head.weight)  # what it holds must come from the checkpoint
        resumed = train(tmp_path / "again", made=again, journal=journal, resume=str(half), **settings)
    assert resumed.trainer.state.global_step == whole.trainer.state.global_step == 8
    for name, weight in whole.parameters.items():
        assert torch.equal(weight, resumed.parameters[name]), name


def flags(world: Path, *more: str) -> list[str]:
    given = {"dataset": str(world / "data"), "model": str(world / "model"), "output_dir": str(world / "run")}
    usual = ["--learning_rate", "1e-3", "--max_steps", "2", "--use_cpu", "--disable_tqdm", "true"]
    return ["train", *(part for name, value in given.items() for part in (f"--{name}", value)), *usual, *more]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    version(tmp_path / "data")
    checkpoint(tmp_path / "model")
    return tmp_path


def test_the_command_trains_and_saves_16_bit_weights(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = ["--bf16_weights", "true", "--max_grad_norm", "0", "--gradient_checkpointing", "true"]
    assert main(flags(world, *more)) == 0
    record = json.loads((world / "run" / "run.json").read_text())
    assert (record["training"]["bf16_weights"], record["training"]["dtype"]) == (True, "bfloat16")
    saved = LlamaForCausalLM.from_pretrained(world / "run")
    assert saved.dtype == torch.bfloat16
    assert any("Estimated memory per process" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "cannot be clipped: add --max_grad_norm 0"),
        (["--max_grad_norm", "0", "--use_peft"], "leave out --use_peft"),
        (["--max_grad_norm", "0", "--weight_decay", "0.1"], "add --weight_decay 0"),
        (["--max_grad_norm", "0", "--optim", "adafactor"], "leave out --optim"),
        (["--max_grad_norm", "0", "--per_device_train_batch_size", "2"], "add --per_device_train_batch_size 8"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(
    more: list[str], sentence: str, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(world, "--bf16_weights", "true", *more)) == 2
    assert sentence in capsys.readouterr().err


def test_several_processes_are_refused(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["--bf16_weights", "true", "--max_grad_norm", "0", "--fsdp", "full_shard"]
    assert main(flags(world, *more)) == 2
    assert "--bf16_weights is for one process" in capsys.readouterr().err


LLAMA_8B = LlamaConfig(
    vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32,
    num_key_value_heads=8,
)  # fmt: skip
PARAMETERS_8B = 8_030_261_248


def test_llama_8b_trains_in_full_on_one_80_gb_gpu_by_the_estimate() -> None:
    weights = need(PARAMETERS_8B, PARAMETERS_8B, layerwise=128_256 * 4096)
    longest = with_activations(weights, LLAMA_8B, 16 * 1024, size=2.0, checkpointing=True)
    assert weights.total / GIB == pytest.approx(61.8, abs=0.1)
    assert longest.total / GIB < 76
    assert need(PARAMETERS_8B, PARAMETERS_8B).total / GIB > 80


def test_a_forward_that_does_not_fit_is_said_before_it_is_tried(
    world: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_available", lambda device, processes: (1_000_000.0, "this test"))
    assert main(flags(world)) == 0
    assert any("more than the 0.0 GiB there are: add --gradient_checkpointing true" in said for said in caplog.messages)


def test_the_largest_forward_holds_the_longest_rows() -> None:
    assert largest_forward([5, 1, 9, 3], 2) == 14
    assert largest_forward([5], 8) == 5


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_estimate_is_what_a_small_model_takes(checkpointing: bool) -> None:
    """Bytes of weights, of optimizer state and of what one forward keeps, counted tensor by tensor."""
    config = LlamaConfig(
        vocab_size=500, hidden_size=64, intermediate_size=176, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config).to(torch.bfloat16).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    attach(model)
    optimizer = LayerwiseAdamW(model, lr=1e-4)
    batch = pack([Tokens(tuple(torch.randint(500, (96,), generator=seeded(n)).tolist()), 8) for n in range(8)])
    kept = activation_bytes(model, batch)
    held = sum(p.nbytes for p in model.parameters()) + sum(
        value.nbytes for state in optimizer.state.values() for value in state.values()
    )
    sizes = [p.numel() for p in model.parameters()]
    estimate = with_activations(
        need(sum(sizes), sum(sizes), layerwise=max(sizes)), config, batch.encoded, size=2.0, checkpointing=checkpointing
    )
    assert estimate.weights + estimate.training == pytest.approx(held + 4 * max(sizes), rel=0.01)
    head = 2 * 4 * batch.encoded * config.vocab_size
    layer = 2 * batch.encoded * (12 * 64 + 4 * 176)
    again = 1.5 * layer if checkpointing else 0.0  # what backward computes once more
    assert estimate.activations - head - again == pytest.approx(kept, rel=0.15)


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def activation_bytes(model: Any, batch: Any) -> int:
    """Bytes that the layers keep for backward, each storage once, beside weights and the head's logits; trains once."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        log_probs = measure(model, batch).log_probs
    head = sum(size for size in kept.values() if size >= 2 * len(batch.targets) * 500)
    log_probs.sum().backward()
    return sum(kept.values()) - head
