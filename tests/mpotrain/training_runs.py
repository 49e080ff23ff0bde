"""Runs of the real trainer on a tiny model, in this process; what the tests of the trainer share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mpodata.runtime.journal import Journal
from mpotrain.config import MPOConfig, find_loss
from mpotrain.data import TrainingRows, tokenise, tokenise_mix
from mpotrain.mixes import MixOptions, find_mix
from mpotrain.model.forward import attach
from mpotrain.model.loading import Policy, disable_dropout, in_memory_hash
from mpotrain.objective.objective import Objective
from mpotrain.objective.retention import RETENTION
from mpotrain.training.trainer import MPOTrainer
from tests.mpotrain.tiny_dataset import chat_model, pairs, tokenizer


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What a run did, step by step, and where it ended."""

    losses: list[float]
    norms: list[float]
    parameters: dict[str, torch.Tensor]
    trainer: MPOTrainer

    def close_to(self, other: "Trajectory", tolerance: float = 1e-7) -> bool:
        steps = torch.tensor(self.losses), torch.tensor(other.losses)
        ends = [(self.parameters[name], other.parameters[name]) for name in self.parameters]
        return torch.allclose(*steps, rtol=tolerance, atol=tolerance) and all(
            torch.allclose(ours, theirs, atol=tolerance) for ours, theirs in ends
        )


def rows(count: int = 7) -> TrainingRows:
    """Token rows of the small world: 7 pairs x 2 languages leave a short last batch."""
    return tokenise(pairs(count), tokenizer(), 256)


def mixed_rows(name: str, count: int = 7) -> TrainingRows:
    """The rows of a mix over the same pairs."""
    return tokenise_mix(find_mix(name)(pairs(count), MixOptions()), tokenizer(), 256, "en")


def policy(*, pad: bool = False, lora: bool = False, dtype: torch.dtype = torch.float64) -> Policy:
    """The tiny chat model, with adapters where asked for.

    In float64, because AdamW divides by the gradient's own size: where a gradient is nearly 0 it turns float32's
    rounding into whole steps, and two correct runs part at 1e-5.
    """
    model: Any = chat_model().to(dtype)
    packs = attach(model) and not pad
    identity = {"weights": in_memory_hash(model)}
    if lora:
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(1)
        model = get_peft_model(model, LoraConfig(r=4, task_type="CAUSAL_LM", target_modules="all-linear"))
    disable_dropout(model)
    return Policy(model, packs, "tiny", identity)


def objective(method: str = "mpo", data: TrainingRows | None = None, **options: Any) -> Objective:
    """The method with its defaults; `retain` by name."""
    loss = find_loss(method)
    retain = options.pop("retain", loss.retain or ("authors" if loss.rows == "paired" else None))
    hyper = {**loss.hyper, **options.pop("hyper", {})}
    return Objective(
        loss,
        hyper,
        data or (mixed_rows(loss.mix) if loss.mix else rows()),
        retention=RETENTION[retain] if retain else None,
        mean=options.pop("mean", loss.log_probs == "mean"),
        dominant_rows=options.pop("dominant_rows", loss.rows == "all" and loss.mix is None),
        **options,
    )


def settings(folder: Path, **options: Any) -> MPOConfig:
    """Two epochs of global batches of 4 at a learning rate that moves a tiny model."""
    given = {"learning_rate": 1e-3, "global_batch_size": 4, "logging_steps": 1, "warmup_steps": 0, **options}
    return MPOConfig(output_dir=str(folder), use_cpu=True, disable_tqdm=True, **given)


def train(
    folder: Path,
    *,
    method: str = "mpo",
    made: Policy | None = None,
    what: Objective | None = None,
    journal: Journal | None = None,
    resume: str | None = None,
    held_out: Objective | None = None,
    **options: Any,
) -> Trajectory:
    """One run; `options` are flags of MPOConfig."""
    trainer = MPOTrainer(
        made or policy(),
        settings(folder, **options),
        what or objective(method),
        tokenizer=tokenizer(),
        journal=journal,
        held_out=held_out,
    )
    trainer.train(resume_from_checkpoint=resume)
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    ends = {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}
    return Trajectory([entry["loss"] for entry in logs], [entry["grad_norm"] for entry in logs], ends, trainer)
