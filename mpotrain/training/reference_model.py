"""`--reference MODEL`: the reference measured with other weights than the policy's, before the policy is loaded.

The other model is loaded whole in every process, which measures its share of the sequences, and is gone when the policy
comes: there are never two models in memory.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from transformers.integrations import deepspeed

from mpodata.engines.checkpoints import identity
from mpodata.errors import ConfigError
from mpodata.runtime.journal import Journal
from mpodata.runtime.progress import Progress
from mpotrain.config import MPOConfig, RunConfig
from mpotrain.data import TrainingRow
from mpotrain.model.batches import pack, pad
from mpotrain.model.loading import Policy, load_policy, load_tokenizer
from mpotrain.objective.objective import Objective
from mpotrain.objective.reference import Reference, ReferenceRequest, measure_reference


def wanted(objectives: Sequence[Objective], premise: Sequence[TrainingRow]) -> Iterator[ReferenceRequest]:
    """What a run asks of its reference: for its losses, and for the reward gaps that it reports first."""
    for objective in objectives:
        yield from objective.wanted()
    for row in premise:
        yield from (ReferenceRequest(row.chosen), ReferenceRequest(row.rejected))


def check_reference(config: RunConfig) -> None:
    """Raises ConfigError for a reference model that reads other tokens than the policy; ModelError where it is none."""
    if config.method.reference is None:
        return
    model = config.model
    ours = load_tokenizer(str(model.model_name_or_path), model.model_revision, config.training.chat_template)
    theirs = load_tokenizer(config.method.reference, chat_template=config.training.chat_template)
    if ours.get_vocab() != theirs.get_vocab():
        raise ConfigError(
            f"--reference {config.method.reference} has another vocabulary than --model {model.model_name_or_path}: "
            "log-probabilities of the same tokens cannot be compared. Choose a reference of the same family."
        )


def reference_weights(config: RunConfig) -> str | None:
    """What identifies the weights of `--reference`; None where the policy is its own reference."""
    return None if config.method.reference is None else identity(config.method.reference, None)


def measure_other(
    config: RunConfig,
    requests: Iterator[ReferenceRequest],
    *,
    autocast: str,
    journal: Journal,
    progress: Progress | None = None,
) -> Reference | None:
    """The measurements of `--reference MODEL`, of which nothing stays in memory; None where no model is named."""
    if config.method.reference is None:
        return None
    training = config.training
    with _unsharded(training):
        policy = _load(config, autocast)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(autocast)
    arithmetic = nullcontext() if dtype is None else torch.autocast(training.device.type, dtype)
    policy.model.to(training.device)
    with arithmetic:
        measured = measure_reference(
            policy.model,
            requests,
            partial(pack if policy.packs else pad, device=training.device),
            identity=policy.identity,
            journal=journal,
            rank=training.process_index,
            processes=training.world_size,
            progress=progress if training.process_index == 0 else None,
        )
    del policy
    gc.collect()
    if training.device.type == "cuda":
        torch.cuda.empty_cache()
    return measured


def _load(config: RunConfig, autocast: str) -> Policy:
    settings = replace(
        config.model, model_name_or_path=config.method.reference, model_revision="main", use_peft=False,
        load_in_4bit=False, load_in_8bit=False,
    )  # fmt: skip
    return load_policy(settings, pad=config.training.pad, autocast=autocast)


@contextmanager
def _unsharded(training: MPOConfig) -> Iterator[None]:
    """Load a model whole where DeepSpeed's ZeRO-3 would split what is loaded."""
    plugin = training.deepspeed_plugin
    if plugin is None:
        yield
        return
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed.set_hf_deepspeed_config(plugin.hf_ds_config)
