"""The trainer keeps its promises: what a run computes depends on nothing but what was configured."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mpodata.errors import ConfigError, UnknownName
from mpodata.runtime.journal import Journal
from mpotrain.config import MPOConfig
from mpotrain.objective.losses import LOSSES
from mpotrain.training.callbacks import MetricsFile
from mpotrain.training.trainer import MPOTrainer
from tests.mpotrain.training_runs import Trajectory, objective, policy, rows, settings, train


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """An uninterrupted MPO run, one forward per global batch."""
    return train(tmp_path_factory.mktemp("plain"))


def test_a_run_trains(plain: Trajectory) -> None:
    assert len(plain.losses) == 8  # 14 rows in batches of 4, two epochs
    assert sum(plain.losses[4:]) < sum(plain.losses[:4])


@pytest.mark.parametrize("method", ["mpo", "dpo", "kto", "mlc", "cla", "lens"])
def test_gradient_accumulation_changes_nothing(method: str, tmp_path: Path) -> None:
    whole, split = (train(tmp_path, method=method, per_device_train_batch_size=size) for size in (4, 1))
    assert split.trainer.args.gradient_accumulation_steps == 4
    assert split.close_to(whole)


def test_padding_changes_nothing(plain: Trajectory, tmp_path: Path) -> None:
    padded = train(tmp_path, made=policy(pad=True))
    assert not padded.trainer.policy.packs
    assert padded.close_to(plain)


def test_gradient_checkpointing_changes_nothing(plain: Trajectory, tmp_path: Path) -> None:
    assert train(tmp_path, gradient_checkpointing=True).close_to(plain)


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(plain: Trajectory, tmp_path: Path) -> None:
    with Journal(tmp_path / "reference.sqlite") as journal:
        first = train(tmp_path, journal=journal, save_strategy="steps", save_steps=1)
        for step in (3, 4):  # within an epoch, and between two
            resumed = train(tmp_path / f"again-{step}", journal=journal, resume=str(tmp_path / f"checkpoint-{step}"))
            assert len(resumed.trainer.state.log_history) > 8
            assert resumed.close_to(first)
    assert first.close_to(plain)


def test_before_the_first_step_mpo_is_where_the_paper_says(plain: Trajectory) -> None:
    first = plain.trainer.state.log_history[0]
    assert first["L2"] < 1e-12
    assert first["loss"] == pytest.approx(first["L1"], rel=1e-6)
    known = rows()
    reference = plain.trainer.reference
    assert reference is not None
    order = next(iter(plain.trainer.get_train_dataloader().batch_sampler))
    gaps = []
    for number, _ in order:
        row = known.targets[number]
        sides = (known.dominant[row.pair_id].chosen, known.dominant[row.pair_id].rejected)
        chosen, rejected = reference.log_probs(sides, mean=True)
        gaps.append(chosen - rejected)
    untrained = train_nothing(order, known)
    expected = sum((own - dominant) ** 2 for own, dominant in zip(untrained, gaps, strict=True)) / len(gaps)
    assert first["L1"] == pytest.approx(expected, rel=1e-4)


def train_nothing(order: Any, known: Any) -> list[float]:
    """Reward gaps of the untrained model, from its full logits."""
    model = policy().model
    gaps: list[float] = []
    for number, _ in order:
        averages = []
        for sequence in (known.targets[number].chosen, known.targets[number].rejected):
            ids = torch.tensor([sequence.input_ids])
            log_probs = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
            averages.append(log_probs[sequence.prompt_length - 1 :].mean().item())
        gaps.append(averages[0] - averages[1])
    return gaps


@pytest.mark.parametrize(("method", "expected"), [("dpo", math.log(2)), ("rdpo-robust", math.log(2)), ("kto", 0.5)])
def test_before_the_first_step_a_baseline_is_where_its_formula_says(
    method: str, expected: float, tmp_path: Path
) -> None:
    run = train(tmp_path, method=method, max_steps=1)
    assert run.losses[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("method", sorted(LOSSES))
def test_every_method_trains_through_the_same_path(method: str, tmp_path: Path) -> None:
    run = train(tmp_path, method=method, max_steps=2)
    assert all(math.isfinite(loss) for loss in run.losses)
    assert all(norm > 0 for norm in run.norms)
    rows_trained = len(run.trainer.objective.rows)
    expected = {"paired": 14, "all": 21, "dominant": 7}[LOSSES[method].rows]
    assert rows_trained == (42 if method == "cla" else expected)  # three rows of its mix for each target row


@pytest.mark.parametrize("retain", ["paper", "kl", None])
def test_every_retention_is_zero_at_first_and_pulls_later(retain: str | None, tmp_path: Path) -> None:
    logs = train(tmp_path, what=objective(retain=retain), max_steps=3).trainer.state.log_history
    if retain is None:
        assert "L2" not in logs[0]
    else:
        assert abs(logs[0]["L2"]) < 1e-9 < logs[2]["L2"]


def test_the_target_gap_can_be_a_constant(tmp_path: Path) -> None:
    run = train(tmp_path, what=objective(gap="1.58"), max_steps=1, global_batch_size=1)
    first = run.trainer.state.log_history[0]
    assert first["L1"] == pytest.approx((first["reward_gap"] - 1.58) ** 2, rel=1e-5)


def test_the_target_gap_can_be_another_languages(plain: Trajectory, tmp_path: Path) -> None:
    first = train(tmp_path, what=objective(gap="zh"), max_steps=1).trainer.state.log_history[0]
    assert first["L1/zh"] < 1e-12  # before the first step a language has its own gap
    assert first["L1/sw"] != pytest.approx(plain.trainer.state.log_history[0]["L1/sw"], rel=1e-3)


def test_the_target_gap_can_be_the_policys_own_which_moves(plain: Trajectory, tmp_path: Path) -> None:
    run = train(tmp_path, what=objective(gap="policy"), max_steps=8)
    assert run.losses[0] == pytest.approx(plain.losses[0], rel=1e-5)
    assert run.losses[4] != pytest.approx(plain.losses[4], rel=1e-3)


@pytest.mark.parametrize(("gap", "through_both"), [("policy", True), ("policy-detached", False)])
def test_the_policys_own_gap_is_trained_through_both_gaps_or_detached(
    gap: str, through_both: bool, tmp_path: Path
) -> None:
    """Against the gradient of (RG^t - RG^d)^2 on full logits; Appendix H.3 lets it through both."""
    trainer = MPOTrainer(policy(), settings(tmp_path), objective(gap=gap, retain=None))
    trainer.measure_first()
    micro = next(iter(trainer.get_train_dataloader()))
    trainer.compute_loss(trainer.model, micro).backward()
    plain_model = policy().model
    data = rows()
    total = torch.zeros((), dtype=torch.float64)
    for row in micro.rows:
        dominant = data.dominant[row.pair_id]
        own = full_gap(plain_model, row.chosen, row.rejected)
        theirs = full_gap(plain_model, dominant.chosen, dominant.rejected)
        total = total + (own - (theirs if through_both else theirs.detach())) ** 2
    (total / len(micro.rows)).backward()
    for (name, trained), other in zip(trainer.model.named_parameters(), plain_model.parameters(), strict=True):
        torch.testing.assert_close(trained.grad, other.grad, rtol=1e-5, atol=1e-8, msg=name)


def full_gap(model: Any, chosen: Any, rejected: Any) -> torch.Tensor:
    averages = []
    for sequence in (chosen, rejected):
        ids = torch.tensor([sequence.input_ids])
        log_probs = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
        averages.append(log_probs[sequence.prompt_length - 1 :].mean())
    return averages[0] - averages[1]


def test_a_labelled_nll_term_is_added_and_logged(plain: Trajectory, tmp_path: Path) -> None:
    run = train(tmp_path, what=objective(nll_weight=0.5), max_steps=1)
    log = run.trainer.state.log_history[0]
    assert log["loss"] == pytest.approx(plain.losses[0] + 0.5 * log["nll"], rel=1e-5)


def test_a_language_of_weight_zero_does_not_train(tmp_path: Path) -> None:
    from mpotrain.data import tokenise
    from tests.mpotrain.tiny_dataset import pairs, tokenizer

    silent = tokenise(pairs(7), tokenizer(), 256, {"sw": 0.0, "zh": 0.0})
    run = train(tmp_path, what=objective(data=silent, retain=None), weight_decay=0.0, max_steps=2)
    before = dict(policy().model.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in run.parameters.items())


def test_metrics_have_trls_names_and_a_value_per_language(plain: Trajectory) -> None:
    log = plain.trainer.state.log_history[1]
    names = ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "L1", "L2"]
    assert {*names, "logps/rejected", "reward_gap"} <= set(log)
    languages = [code for code in ("sw", "zh") if f"reward_gap/{code}" in log]
    assert languages
    assert all(f"{name}/{code}" in log for name in names for code in languages)


def test_per_language_metrics_average_to_the_whole(plain: Trajectory) -> None:
    for log in plain.trainer.state.log_history[:8]:
        values = [log[f"L1/{code}"] for code in ("sw", "zh") if f"L1/{code}" in log]
        assert min(values) - 1e-9 <= log["L1"] <= max(values) + 1e-9


def test_held_out_rows_are_measured_without_touching_the_run(plain: Trajectory, tmp_path: Path) -> None:
    run = train(tmp_path, held_out=objective(data=rows(9)), eval_strategy="steps", eval_steps=2)
    assert run.close_to(plain)
    evaluated = [entry for entry in run.trainer.state.log_history if "eval_loss" in entry]
    assert len(evaluated) == 4
    assert {"eval_reward_gap/sw", "eval_reward_gap/zh", "eval_L1", "eval_L2"} <= set(evaluated[0])


def test_grouping_by_pair_encodes_a_dominant_side_once(tmp_path: Path) -> None:
    trainer = MPOTrainer(policy(), settings(tmp_path, group_by_pair=True), objective())
    micro = next(iter(trainer.get_train_dataloader()))
    sequences = trainer.objective.sequences(micro.rows)
    assert len({row.pair_id for row in micro.rows}) == 2
    assert trainer.layout(sequences).encoded < sum(len(sequence.input_ids) for sequence in set(sequences))


def test_lora_trains_adapters_alone_against_the_untouched_start(tmp_path: Path) -> None:
    run = train(tmp_path, made=policy(lora=True))
    assert run.parameters
    assert all("lora_" in name for name in run.parameters)
    assert run.trainer.state.log_history[0]["L2"] < 1e-12
    assert sum(run.losses[4:]) < sum(run.losses[:4])


def test_bf16_arithmetic_follows_float32_roughly(plain: Trajectory, tmp_path: Path) -> None:
    run = train(tmp_path, made=policy(dtype=torch.float32), bf16=True)
    assert run.losses == pytest.approx(plain.losses, rel=0.25, abs=0.05)
    assert all(value.dtype == torch.float32 for value in run.parameters.values())


def test_the_metrics_file_of_a_resumed_run_holds_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(1, 6)))
    run = train(tmp_path / "first", save_strategy="steps", save_steps=3, max_steps=3)
    trainer = MPOTrainer(policy(), settings(tmp_path / "first"), objective(), callbacks=[MetricsFile(tmp_path)])
    with Journal(tmp_path / "reference.sqlite") as journal:
        trainer.journal = journal
        trainer.state.global_step = 0
        trainer.model_wrapped = trainer.model
        trainer.measure_first()
        trainer.train(resume_from_checkpoint=str(tmp_path / "first" / "checkpoint-3"))
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [1, 2, 3, *range(4, 9), 8]  # the last line is the run's summary
    assert len(run.losses) == 3


def test_the_global_batch_is_what_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = settings(tmp_path, global_batch_size=10, per_device_train_batch_size=4)
    assert (args.gradient_accumulation_steps, args.per_device_train_batch_size) == (3, 4)
    with pytest.raises(ConfigError, match="gradient_accumulation_steps follows from global_batch_size"):
        settings(tmp_path, gradient_accumulation_steps=2)
    with pytest.raises(ConfigError, match="global_batch_size must be at least 1, got 0"):
        settings(tmp_path, global_batch_size=0)
    with pytest.raises(ConfigError, match="--output_dir is missing"):
        MPOConfig(use_cpu=True)


def test_an_unknown_method_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"Unknown method 'simpoo'\. Did you mean 'simpo'"):
        objective("simpoo")
