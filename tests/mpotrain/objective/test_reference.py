"""The reference is the policy before its first step: measured once, kept, found again, never a second model."""

import gc
from pathlib import Path
from typing import Any

import pytest
import torch

from mpodata.errors import ModelError
from mpodata.runtime.journal import Journal
from mpotrain.model.batches import Tokens, pack
from mpotrain.model.states import States
from mpotrain.objective import reference as module
from mpotrain.objective.reference import ReferenceRequest, measure_reference
from mpotrain.training.trainer import MPOTrainer
from tests.mpotrain.training_runs import objective, policy, rows, settings, train


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal(tmp_path / "reference.sqlite") as journal:
        yield journal


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sequences of every forward of the reference pass."""
    seen: list[int] = []
    measure = module.measure  # type: ignore[attr-defined]

    def counted(model: Any, batch: Any, **options: Any) -> Any:
        seen.append(len(batch))
        return measure(model, batch, **options)

    monkeypatch.setattr(module, "measure", counted)
    return seen


def test_mpo_measures_each_dominant_answer_once_and_no_target(forwards: list[int], tmp_path: Path) -> None:
    train(tmp_path, max_steps=1)
    assert sum(forwards) == 2 * 7  # chosen and rejected of 7 dominant pairs, gap and states in one forward


def test_dpo_measures_every_trained_answer_once(forwards: list[int], tmp_path: Path) -> None:
    train(tmp_path, method="dpo", max_steps=1)
    assert sum(forwards) == 2 * 21


def test_methods_without_a_reference_measure_nothing(forwards: list[int], tmp_path: Path) -> None:
    train(tmp_path, method="simpo", max_steps=1)
    assert not forwards


def test_the_next_run_measures_nothing_and_does_the_same(journal: Journal, forwards: list[int], tmp_path: Path) -> None:
    first = train(tmp_path / "first", journal=journal)
    measured = sum(forwards)
    second = train(tmp_path / "second", journal=journal)
    assert sum(forwards) == measured > 0
    assert second.losses == first.losses
    assert all(torch.equal(second.parameters[name], first.parameters[name]) for name in first.parameters)


def test_new_rows_cost_only_themselves(journal: Journal, forwards: list[int], tmp_path: Path) -> None:
    train(tmp_path, journal=journal, what=objective(data=rows(5)), max_steps=1)
    train(tmp_path, journal=journal, what=objective(data=rows(7)), max_steps=1)
    assert forwards == [10, 4]


def test_other_weights_are_measured_again(journal: Journal, forwards: list[int], tmp_path: Path) -> None:
    train(tmp_path, journal=journal, max_steps=1)
    other = policy()
    with torch.no_grad():
        other.model.lm_head.weight.mul_(1.01)
    other.identity["weights"] = "another hash"
    train(tmp_path, journal=journal, made=other, max_steps=1)
    assert forwards == [14, 14]


def test_a_resumed_run_without_its_measurements_says_so(tmp_path: Path) -> None:
    train(tmp_path, save_strategy="steps", save_steps=1, max_steps=2)
    with pytest.raises(ModelError, match="14 of 14 reference measurements of this run are no longer in the cache"):
        train(tmp_path / "again", resume=str(tmp_path / "checkpoint-1"))


@pytest.mark.parametrize("lora", [False, True])
def test_one_model_is_in_memory(lora: bool, tmp_path: Path) -> None:
    gc.collect()
    before = living()
    made = policy(lora=lora)
    trainer = MPOTrainer(made, settings(tmp_path, max_steps=1), objective("dpo"))
    trainer.train()
    gc.collect()
    assert living() - before == 1


def living() -> int:
    """Language models alive in this process."""
    return sum(type(thing).__name__ == "LlamaForCausalLM" for thing in gc.get_objects())


def test_what_is_measured_is_the_models_own_numbers() -> None:
    made = policy()
    sequence = Tokens((0, 2, 9, 7, 3, 8, 8, 4), 5)
    wanted = [ReferenceRequest(sequence, (States("mean"),)), ReferenceRequest(sequence, per_token=True)]
    found = measure_reference(made.model, wanted, pack, identity={}, journal=None)
    out = made.model(input_ids=torch.tensor([sequence.input_ids]), output_hidden_states=True)
    tokens = out.logits.log_softmax(-1)[0, 4:-1].gather(1, torch.tensor([[8], [8], [4]]))[:, 0].detach()
    assert found.log_probs([sequence], mean=False) == pytest.approx([tokens.sum().item()])
    assert found.log_probs([sequence], mean=True) == pytest.approx([tokens.mean().item()])
    assert torch.allclose(found.token_log_probs([sequence]), tokens.float())
    assert torch.allclose(
        found.states([sequence], States("mean"))[0], out.hidden_states[-1][0].mean(0).float(), atol=1e-6
    )


def test_long_sequences_are_measured_in_batches_of_the_budget(forwards: list[int]) -> None:
    wanted = [ReferenceRequest(Tokens((0, *range(5, 5 + length)), 1)) for length in (3, 30, 9, 27, 15)]
    found = measure_reference(policy().model, wanted, pack, identity={}, journal=None, batch_tokens=60)
    assert len(found) == 5
    assert forwards == [2, 3]


def test_dropout_is_off_for_policy_and_reference_alike(tmp_path: Path) -> None:
    made = policy(lora=True)
    assert all(module.p == 0 for module in made.model.modules() if isinstance(module, torch.nn.Dropout))


def test_what_earlier_releases_measured_is_found_again() -> None:
    sequence = Tokens((1, 2, 3), 2)
    assert ReferenceRequest(sequence, (States("mean"),)).content() == [1, 2, 3, 2, True, "mean", False]
    assert ReferenceRequest(sequence, per_token=True).content() == [1, 2, 3, 2, True, None, True]
    record = {"log_prob": -1.5, "tokens": None, "state": "AACAPwAAAEA="}  # 1.0 and 2.0 as float32
    value = module.Value.from_json(record, (States("mean"),))
    assert value.states["mean"].tolist() == [1, 2]
    assert value.to_json() == record


def test_one_sequence_is_measured_once_for_all_kinds_of_states_asked_of_it(forwards: list[int]) -> None:
    sequence = Tokens((0, 2, 9, 7, 3, 8, 8, 4), 5, scored=False)
    kinds = (States("mean"), States("last_prompt"), States("last", layer=1))
    made = policy()
    found = measure_reference(
        made.model, [ReferenceRequest(sequence, (kind,)) for kind in kinds], pack, identity={}, journal=None
    )
    assert forwards == [1]
    hidden = made.model(input_ids=torch.tensor([sequence.input_ids]), output_hidden_states=True).hidden_states
    for kind, expected in zip(kinds, (hidden[-1][0].mean(0), hidden[-1][0, 4], hidden[1][0, -1]), strict=True):
        assert torch.allclose(found.states([sequence], kind)[0], expected.float(), atol=1e-6)
