"""Methods with losses on states, trained for real: what a step costs and where it leads, against the plain model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mpodata.runtime.journal import Journal
from mpotrain.data import TrainingRow
from mpotrain.model.batches import Tokens
from mpotrain.objective.cla import infonce
from mpotrain.objective.lens import align, constants, separate
from mpotrain.objective.objective import Objective
from mpotrain.training.trainer import MPOTrainer
from tests.mpotrain.random_models import close
from tests.mpotrain.training_runs import mixed_rows, objective, policy, rows, settings, train


def hidden(model: Any, ids: tuple[int, ...], layer: int) -> Tensor:
    states: Tensor = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    return states


def per_token(model: Any, answer: Tokens) -> Tensor:
    ids = torch.tensor([answer.input_ids])
    log_probs = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    return log_probs[answer.prompt_length - 1 :].mean()


def first_step(folder: Path, what: Objective, **options: Any) -> tuple[MPOTrainer, list[Any], Tensor]:
    """The micro-batches of the first optimizer step, after their backward passes; and the step's loss."""
    trainer = MPOTrainer(policy(), settings(folder, **options), what)
    trainer.measure_first()
    batches, _ = trainer.get_batch_samples(
        iter(trainer.get_train_dataloader()), trainer.args.gradient_accumulation_steps, torch.device("cpu")
    )
    total = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        loss = trainer.compute_loss(trainer.model, batch)
        assert isinstance(loss, Tensor)
        loss.backward()
        total += loss.detach()
    return trainer, batches, total


def same_gradients(trainer: MPOTrainer, plain: Any) -> None:
    for trained, other in zip(trainer.model.parameters(), plain.parameters(), strict=True):
        expected = torch.zeros_like(other) if other.grad is None else other.grad
        close(torch.zeros_like(expected) if trained.grad is None else trained.grad, expected)


@pytest.mark.parametrize("size", [8, 4, 1])
def test_a_step_of_cla_has_the_gradient_of_its_formula_however_the_batch_is_split(size: int, tmp_path: Path) -> None:
    what = objective("cla", data=mixed_rows("cla"))
    trainer, batches, loss = first_step(tmp_path, what, global_batch_size=8, per_device_train_batch_size=size)
    drawn: list[TrainingRow] = [row for batch in batches for row in batch.rows]
    assert len(batches) == 8 // size
    plain = policy().model
    ends = [
        torch.stack([hidden(plain, row.sentence(dominant=dominant).input_ids, 1)[-1] for row in drawn])
        for dominant in (True, False)
    ]
    numbers = torch.tensor([int(row.pair_id, 16) for row in drawn])
    contrast = infonce(*ends, numbers)
    expected = (contrast - 1.5 * torch.stack([per_token(plain, row.chosen) for row in drawn])).mean()
    expected.backward()
    assert contrast.mean() > 0
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    same_gradients(trainer, plain)


@pytest.mark.parametrize("size", [4, 1])
def test_a_step_of_lens_has_the_gradient_of_its_formula(size: int, tmp_path: Path) -> None:
    trainer, batches, loss = first_step(tmp_path, objective("lens"), per_device_train_batch_size=size)
    plain, data = policy().model, rows()
    last = {
        code: torch.stack([hidden(plain, row.chosen.prompt, -1)[-1].detach() for row in group]).mean(0)
        for code, group in {
            "en": list(data.dominant.values()),
            **{code: [row for row in data.targets if row.language == code] for code in ("sw", "zh")},
        }.items()
    }
    space: Any = constants(last, "en")
    terms = []
    for row in (row for batch in batches for row in batch.rows):
        own = hidden(plain, row.chosen.prompt, -1)[-1:]
        dominant = hidden(plain, data.dominant[row.pair_id].chosen.prompt, -1)
        apart = separate(own, own.detach(), space["specific"], space["shift"][row.language])
        together = align(dominant[-1:], own, space["agnostic"])
        kept = (dominant.mean(0) - dominant.mean(0).detach()).square().mean()
        terms.append(2 * (apart + together) + kept)  # two target languages
    expected = torch.cat(terms).mean()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    same_gradients(trainer, plain)


def test_lens_trains_the_layers_it_is_told_and_logs_its_parts(tmp_path: Path) -> None:
    run = train(tmp_path, method="lens", max_steps=3)
    log = run.trainer.state.log_history
    assert {"separate", "align", "L1", "L2", "separate/sw", "align/zh"} <= set(log[0])
    assert log[0]["L2"] < 1e-12
    assert log[0]["loss"] == pytest.approx(2 * (log[0]["separate"] + log[0]["align"]), rel=1e-5)


def test_held_out_rows_of_cla_are_compared_with_each_other(tmp_path: Path) -> None:
    run = train(
        tmp_path, method="cla", held_out=objective("cla", data=mixed_rows("cla", 5)), max_steps=2,
        eval_strategy="steps", eval_steps=2,
    )  # fmt: skip
    evaluated = [entry for entry in run.trainer.state.log_history if "eval_loss" in entry]
    assert evaluated[0]["eval_infonce"] > 0


def test_mlc_trains_an_extractor_that_checkpoints_keep_and_the_model_lacks(tmp_path: Path) -> None:
    run = train(tmp_path, method="mlc", max_steps=2, save_strategy="steps", save_steps=1)
    extractor = run.parameters["state_extractor.weight"]
    assert extractor.shape == (512, 32)
    first = load_file(tmp_path / "checkpoint-1" / "model.safetensors")["state_extractor.weight"]
    run.trainer.save_model(str(tmp_path), _internal_call=True)
    saved = load_file(tmp_path / "model.safetensors")
    assert first.shape == extractor.shape
    assert not [name for name in saved if "extractor" in name]
    assert set(saved) == {name for name in policy().model.state_dict() if name in saved}


def test_mlc_adds_its_term_in_every_second_step_alone(tmp_path: Path) -> None:
    usual, heavy = (
        train(tmp_path, what=objective("mlc", hyper={"weight": weight}), max_steps=2, learning_rate=1e-12)
        for weight in (0.0, 5.0)
    )
    assert heavy.losses[0] > usual.losses[0] + 0.1
    assert heavy.losses[1] == pytest.approx(usual.losses[1], abs=1e-6)
    assert heavy.trainer.state.log_history[1]["consistency"] > 0.01


@pytest.mark.parametrize("lora", [False, True])
def test_a_killed_run_of_mlc_goes_on_with_its_extractor(lora: bool, tmp_path: Path) -> None:
    with Journal(tmp_path / "reference.sqlite") as journal:
        shared: dict[str, Any] = {"method": "mlc", "journal": journal, "max_steps": 3}
        whole = train(tmp_path, made=policy(lora=lora), save_strategy="steps", save_steps=1, **shared)
        checkpoint = str(tmp_path / "checkpoint-2")
        resumed = train(tmp_path / "again", made=policy(lora=lora), resume=checkpoint, **shared)
    assert "state_extractor.weight" in {name.removeprefix("base_model.model.") for name in whole.parameters}
    assert resumed.close_to(whole)


@pytest.mark.parametrize("method", ["cla", "lens", "mlc"])
def test_padding_and_gradient_checkpointing_change_nothing(method: str, tmp_path: Path) -> None:
    usual, padded, checkpointed = (
        train(tmp_path / str(number), method=method, made=policy(pad=pad), max_steps=2, gradient_checkpointing=again)
        for number, (pad, again) in enumerate(((False, False), (True, False), (False, True)))
    )
    assert padded.close_to(usual)
    assert checkpointed.close_to(usual)
