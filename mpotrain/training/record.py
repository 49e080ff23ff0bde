"""The content of run.json: what made a run's model and what came out."""

import shlex
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from mpodata.engines.templates import template_hash
from mpodata.versions.load import LoadedVersion
from mpotrain.config import RunConfig
from mpotrain.data import TrainingRows
from mpotrain.training.memory import GIB
from mpotrain.training.reference_model import reference_weights
from mpotrain.training.trainer import MPOTrainer

SCHEMA = 1
LIBRARIES = ("torch", "transformers", "accelerate", "trl", "peft", "deepspeed", "datasets")


def describe(
    config: RunConfig,
    loaded: LoadedVersion,
    rows: TrainingRows,
    trainer: MPOTrainer,
    seconds: float,
    measured_split: str | None = None,
) -> dict[str, Any]:
    """The content of run.json; `measured_split` is what --eval_strategy measured."""
    training, policy = config.training, trainer.policy
    last = {name: value for entry in trainer.state.log_history for name, value in entry.items()}
    return {
        "schema": SCHEMA,
        "kind": "train",
        "method": config.loss.name,
        "hyper_parameters": dict(config.hyper),
        "switches": {k: v for k, v in asdict(config.method).items() if k != "method"},
        "base_model": policy.name,
        "base_revision": config.model.model_revision,
        "base_weights": policy.identity["weights"],
        **({"reference_weights": other} if (other := reference_weights(config)) else {}),
        "folder": str(training.output_dir),
        "model": ".",  # relative to the folder of run.json, which may be moved
        "adapter": bool(config.model.use_peft),
        "data": {
            "reference": loaded.reference,
            "name": loaded.name,
            "version": loaded.version,
            "commit": loaded.commit,
            "translator": config.data.translator or loaded.translator or next(iter(loaded.translators()), None),
            "dominant": rows.dominant_language,
            "languages": rows.languages() or list(rows.census.kept),
            "trained_rows": len(trainer.objective.rows),
            **({"mix": {"name": config.data.mix, **rows.census.mixed}} if config.data.mix else {}),
            **({"measured_split": measured_split} if measured_split else {}),
            "rows": dict(rows.census.kept),
            "truncated": dict(rows.census.truncated),
            "dropped": {reason: dict(counts) for reason, counts in rows.census.dropped.items()},
        },
        "training": {
            "global_batch_size": training.global_batch_size,
            "processes": training.world_size,
            "epochs": training.num_train_epochs,
            "epochs_run": round(trainer.state.epoch or 0.0, 2),
            "steps": trainer.state.global_step,
            "learning_rate": training.learning_rate,
            "scheduler": str(getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)),
            "warmup_steps": training.warmup_steps,
            "warmup_steps_run": training.get_warmup_steps(trainer.state.max_steps),
            "max_length": training.max_length,
            "truncation": training.truncation,
            "chat_template": training.chat_template,
            "template_hash": template_hash(trainer.processing_class),
            "seed": training.seed,
            "train_layers": training.train_layers,
            "dtype": config.model.dtype,
            "bf16": training.bf16,
            "bf16_weights": training.bf16_weights,
            "lora": {"r": config.model.lora_r, "alpha": config.model.lora_alpha} if config.model.use_peft else None,
        },
        **({"gaps_before": trainer.first_gaps} if trainer.first_gaps else {}),
        **memory_record(trainer.memory_estimate),
        "metrics": {k: v for k, v in last.items() if k not in ("epoch", "step", "total_flos")},
        "seconds": round(seconds, 1),
        "command": shlex.join(["mpotrain", *sys.argv[1:]]),
        "libraries": libraries(),
    }


def memory_record(estimate: float) -> dict[str, Any]:
    """The memory estimated before loading and the most that was allocated, in GiB; empty without a GPU."""
    if not torch.cuda.is_available():
        return {}
    peak = torch.cuda.max_memory_allocated()
    return {"memory": {"estimated_gib": round(estimate / GIB, 1), "peak_gib": round(peak / GIB, 1)}}


def libraries() -> dict[str, str]:
    """Versions of what computes the result, this package included."""
    versions = {}
    for name in ("mpodata", *LIBRARIES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
