"""One training run, from its configuration to a folder with the model and what made it.

RUN/                 the model, its tokenizer and README.md (the model card): `from_pretrained(RUN)` loads it
RUN/metrics.jsonl    one line per logged step
RUN/run.json         what made it and what came out; written last: its presence means complete
"""

import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import get_last_checkpoint, set_seed

from mpodata.errors import ConfigError, DataError, ModelError, RemoteError
from mpodata.records import Pair
from mpodata.runtime.journal import Journal, cache_folder
from mpodata.runtime.progress import Progress
from mpodata.versions.load import LoadedVersion, load
from mpotrain.config import DataConfig, MPOConfig, RunConfig, language_list, weights
from mpotrain.data import TrainingRows, tokenise, with_dominant
from mpotrain.model.loading import Policy, check_precision, load_policy, load_tokenizer
from mpotrain.objective.objective import Objective
from mpotrain.objective.retention import RETENTION
from mpotrain.training.callbacks import MetricsFile
from mpotrain.training.card import write_card
from mpotrain.training.memory import check_memory
from mpotrain.training.trainer import MPOTrainer

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
SCHEMA = 1
LIBRARIES = ("torch", "transformers", "accelerate", "trl", "peft", "deepspeed", "datasets")

logger = logging.getLogger(__name__)


def train(config: RunConfig, *, progress: Progress | None = None) -> dict[str, Any]:
    """Train as configured; returns the content of run.json. Raises ConfigError, DataError, ModelError, VersionError."""
    folder = Path(str(config.training.output_dir))
    loaded, rows, held_out = prepare(config)
    check_memory(config, launch_mode(config.training), config.training.world_size)
    set_seed(config.training.seed)  # new adapters start the same in every process
    policy = load_policy(
        config.model,
        pad=config.training.pad,
        dropout=not config.training.disable_dropout,
        autocast="bf16" if config.training.bf16 else "fp16" if config.training.fp16 else "no",
    )
    started = time.time()
    with Journal(cache_folder() / "reference.sqlite") as journal:
        try:
            trainer = MPOTrainer(
                policy,
                config.training,
                objective(config, rows),
                held_out=None if held_out is None else objective(config, held_out),
                tokenizer=load_tokenizer(policy.name, config.model.model_revision),
                journal=journal,
                callbacks=[MetricsFile(folder / METRICS_FILE)],
                progress=progress,
            )
        except (HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled) as error:
            raise RemoteError(f"--push_to_hub cannot make the model's repository: {error}") from error
        keeps_master = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled
        check_precision(policy.model, config.training.learning_rate, keeps_master=keeps_master)
        if trainer.is_world_process_zero():
            (folder / RUN_FILE).unlink(missing_ok=True)
        trainer.train(resume_from_checkpoint=resume_point(config))
    trainer.save_model(_internal_call=True)  # never pushed here: the card is not written yet
    record = describe(config, loaded, rows, policy, trainer, time.time() - started)
    if trainer.is_world_process_zero():
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # a pickle that says nothing run.json does not
        write_json(folder / RUN_FILE, record)
        write_card(folder)
        if config.training.push_to_hub:
            push(folder, str(trainer.hub_model_id), config.training.hub_revision)
    return record


def launch_mode(training: MPOConfig) -> str | None:
    """How the model is shared out, whether our flags or `accelerate launch` say so."""
    if training.deepspeed_plugin is not None:
        return f"zero{training.deepspeed_plugin.zero_stage}"
    return "fsdp2" if training.fsdp or os.environ.get("ACCELERATE_USE_FSDP") == "true" else "ddp"


def push(folder: Path, name: str, revision: str | None = None) -> None:
    """Upload a run's model, card and record to the Hub repository `name`; raises RemoteError."""
    try:
        HfApi().upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision,
            commit_message="Trained by mpotrain",
            ignore_patterns=["checkpoint-*", "eval/*", "runs/*", ".*", "_*"],  # answers to harmful prompts stay here
        )
    except (HfHubHTTPError, OSError) as error:
        raise RemoteError(f"The model could not be pushed to {name}: {error}. It is kept in {folder}.") from error


def check(config: RunConfig) -> LoadedVersion:
    """What can be wrong before a model is loaded, found in seconds: data, model, template. Raises MpoError."""
    if not config.data.dataset:
        raise ConfigError("--dataset is missing: a dataset version such as user/name@v1.0.0 or a version's folder.")
    if not config.model.model_name_or_path:
        raise ConfigError("--model is missing: a folder or Hub id of a chat model.")
    place = Path(config.model.model_name_or_path)
    if (place / "adapter_config.json").is_file() and not (place / "config.json").is_file():
        raise ConfigError(f"{place} holds adapters only: merge them into their base model before training on.")
    load_tokenizer(config.model.model_name_or_path, config.model.model_revision)
    return load(config.data.dataset)


def prepare(config: RunConfig) -> tuple[LoadedVersion, TrainingRows, TrainingRows | None]:
    """The rows of a run as tokens."""
    loaded = check(config)
    tokenizer = load_tokenizer(str(config.model.model_name_or_path), config.model.model_revision)
    length = config.training.max_length
    rows = tokenise(select(loaded, config.data, "train"), tokenizer, length, weights(config.data.language_weights))
    for line in rows.census.lines():
        logger.warning(line)
    held_out = None
    if config.training.eval_strategy != "no":
        held_out = tokenise(select(loaded, config.data, "test"), tokenizer, length)
    return loaded, rows, held_out


def select(loaded: LoadedVersion, data: DataConfig, split: str) -> list[Pair]:
    """The pairs that `data` asks for; raises DataError where there are none."""
    asked = language_list(data.languages)
    turned = data.dominant_language is not None and data.dominant_language != loaded.dominant
    pairs = list(loaded.pairs(split=split, translator=data.translator, languages=None if turned else asked))
    if turned:
        pairs = with_dominant(pairs, str(data.dominant_language))
        pairs = [pair for pair in pairs if asked is None or pair.target.language in asked]
    if data.pairs_per_language is not None:
        first = list(dict.fromkeys(pair.pair_id for pair in pairs))[: data.pairs_per_language]
        kept = set(first)
        pairs = [pair for pair in pairs if pair.pair_id in kept]
    if not pairs:
        raise DataError(f"{loaded.reference} has no {split} pair in the languages asked for.")
    return pairs


def objective(config: RunConfig, rows: TrainingRows) -> Objective:
    """The objective that `config` describes, over `rows`."""
    method = config.method
    return Objective(
        config.loss,
        config.hyper,
        rows,
        retention=None if method.retain == "off" else RETENTION[method.retain],
        retain_weight=method.retain_weight,
        gap=str(method.gap),
        mean=bool(method.length_normalize),
        nll_weight=method.nll_weight,
        dominant_rows=bool(method.dominant_rows),
    )


def resume_point(config: RunConfig) -> str | None:
    """The checkpoint to go on from: `--resume_from_checkpoint last`, a path, or none."""
    asked: str | None = config.training.resume_from_checkpoint
    if asked in (None, "", "false", "False"):
        return None
    if asked in ("last", "true", "True"):
        folder = Path(str(config.training.output_dir))
        newest: str | None = get_last_checkpoint(str(folder)) if folder.is_dir() else None
        return newest
    if not Path(asked).is_dir():
        raise ConfigError(f"There is no checkpoint {asked}. `--resume_from_checkpoint last` takes the newest.")
    return asked


def describe(
    config: RunConfig, loaded: LoadedVersion, rows: TrainingRows, policy: Policy, trainer: MPOTrainer, seconds: float
) -> dict[str, Any]:
    """The content of run.json."""
    training = config.training
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
        "folder": str(training.output_dir),
        "model": ".",  # relative to the folder of run.json, which may be moved
        "adapter": bool(config.model.use_peft),
        "data": {
            "reference": loaded.reference,
            "name": loaded.name,
            "version": loaded.version,
            "commit": loaded.commit,
            "translator": config.data.translator or loaded.translator or loaded.translators()[0],
            "dominant": rows.dominant_language,
            "languages": rows.languages(),
            "trained_rows": len(trainer.objective.rows),
            "rows": dict(rows.census.kept),
            "truncated": dict(rows.census.truncated),
            "dropped": {reason: dict(counts) for reason, counts in rows.census.dropped.items()},
        },
        "training": {
            "global_batch_size": training.global_batch_size,
            "processes": training.world_size,
            "epochs": training.num_train_epochs,
            "steps": trainer.state.global_step,
            "learning_rate": training.learning_rate,
            "scheduler": str(getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)),
            "warmup_steps": training.warmup_steps,
            "max_length": training.max_length,
            "seed": training.seed,
            "dtype": config.model.dtype,
            "bf16": training.bf16,
            "lora": {"r": config.model.lora_r, "alpha": config.model.lora_alpha} if config.model.use_peft else None,
        },
        "metrics": {k: v for k, v in last.items() if k not in ("epoch", "step", "total_flos")},
        "seconds": round(seconds, 1),
        "command": shlex.join(["mpotrain", *sys.argv[1:]]),
        "libraries": libraries(),
    }


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(path)


def base_of(folder: str) -> str | None:
    """The model that a run started from; None where `folder` is no run."""
    return str(read_run(folder)["base_model"]) if (Path(folder) / RUN_FILE).is_file() else None


def read_run(folder: str | Path) -> dict[str, Any]:
    """The run.json of a finished run; raises ModelError where there is none."""
    path = Path(folder) / RUN_FILE
    if not path.is_file():
        raise ModelError(f"{folder} is no finished run: it has no {RUN_FILE}.")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def libraries() -> dict[str, str]:
    """Versions of what computes the result, this package included."""
    found = {}
    for name in ("mpodata", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
