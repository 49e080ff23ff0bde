"""`--reference MODEL`: other weights say what the policy is compared with; they are measured first and then gone."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from trl import ModelConfig

from mpodata.errors import ConfigError
from mpotrain.config import RunConfig, parse
from mpotrain.data import tokenise
from mpotrain.evaluation.gaps import log_probs
from mpotrain.model.loading import load_policy
from mpotrain.training import run
from tests.mpotrain.tiny_dataset import TEMPLATE, chat_model, checkpoint, pairs, tokenizer, version


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    version(folder / "data")
    checkpoint(folder / "model")
    chat_model(seed=7).save_pretrained(folder / "other")
    tokenizer(TEMPLATE).save_pretrained(folder / "other")
    return folder


def configured(world: Path, name: str, *options: str, reference: str | None = "other") -> RunConfig:
    flags = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(world / name)]
    given = ["--reference", str(world / reference)] if reference else []
    usual = ["--method", "dpo", "--use_cpu", "--disable_tqdm", "true", "--logging_steps", "1", "--max_steps", "1"]
    return parse([*flags, *usual, "--global_batch_size", "24", *given, *options])


def logged(folder: Path) -> dict[str, float]:
    return dict(json.loads((folder / "metrics.jsonl").read_text().splitlines()[0]))


def test_rewards_are_measured_against_the_other_weights(world: Path) -> None:
    record = run.train(configured(world, "against-other"))
    rows = tokenise(pairs(8), tokenizer(), 2048).trained("all")
    chosen = [row.chosen for row in rows]
    policy, other = (
        log_probs(ModelConfig(str(world / name)), rows).log_probs(chosen, mean=False) for name in ("model", "other")
    )
    mean = sum(0.1 * (ours - theirs) for ours, theirs in zip(policy, other, strict=True)) / len(rows)
    assert abs(mean) > 0.01
    assert logged(world / "against-other")["rewards/chosen"] == pytest.approx(mean, rel=1e-4)
    assert record["switches"]["reference"] == str(world / "other")
    assert record["reference_weights"] != record["base_weights"]


def test_the_same_weights_as_reference_change_nothing(world: Path) -> None:
    run.train(configured(world, "usual", reference=None))
    run.train(configured(world, "itself", reference="model"))
    usual, itself = logged(world / "usual"), logged(world / "itself")
    assert {name: itself[name] for name in ("loss", "grad_norm")} == {n: usual[n] for n in ("loss", "grad_norm")}


def test_there_are_never_two_models_in_memory(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    load = load_policy

    def counted(*args: Any, **options: Any) -> Any:
        gc.collect()
        alive.append(sum(type(thing).__name__ == "LlamaForCausalLM" for thing in gc.get_objects()))
        return load(*args, **options)

    monkeypatch.setattr("mpotrain.training.reference_model.load_policy", counted)
    monkeypatch.setattr("mpotrain.training.run.load_policy", counted)
    run.train(configured(world, "one-at-a-time"))
    assert len(alive) == 2
    assert alive[0] == alive[1]


def test_a_run_does_not_go_on_against_other_weights(world: Path) -> None:
    run.train(configured(world, "bound"))
    with pytest.raises(ConfigError, match=r"holds a run with reference .*other .now .*model"):
        run.train(configured(world, "bound", reference="model"))
    with pytest.raises(ConfigError, match=r"holds a run with reference .*other .now None"):
        run.train(configured(world, "bound", reference=None))


def test_a_reference_that_reads_other_tokens_is_refused(world: Path) -> None:
    with pytest.raises(ConfigError, match="pocket-chat has another vocabulary than --model"):
        run.check(configured(world, "tokens", "--reference", "pocket-chat"))


@pytest.mark.parametrize("options", [["--method", "simpo"], ["--method", "mpo", "--gap", "1.58", "--retain", "off"]])
def test_a_reference_of_which_nothing_is_asked_is_refused(options: list[str], world: Path) -> None:
    with pytest.raises(ConfigError, match="reference has no effect"):
        configured(world, "nothing", *options)
