"""What decides the weights that a run ends in, as one flat record under the names of the flags; and how two differ."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mpodata.versions.load import LoadedVersion
from mpotrain.config import MPOConfig, RunConfig, language_list, weights
from mpotrain.training.reference_model import reference_weights

SCHEMA = 1
SCHEDULE = (  # the flags of TrainingArguments and ours that change results; batch sizes per device do not
    "global_batch_size", "num_train_epochs", "max_steps", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs",
    "warmup_steps", "optim", "optim_args", "optim_target_modules", "weight_decay", "adam_beta1", "adam_beta2",
    "adam_epsilon", "max_grad_norm", "neftune_noise_alpha", "bf16", "fp16", "seed", "data_seed", "max_length",
    "truncation", "train_layers", "bf16_weights", "group_by_pair", "disable_dropout", "eval_strategy", "eval_steps",
    "load_best_model_at_end", "metric_for_best_model", "greater_is_better",
)  # fmt: skip
NAMES = {  # what is compared -> what is shown
    "data_commit": "dataset",
    "model_weights": "model_name_or_path",
    "reference_weights": "reference",
    "template_hash": "chat_template",
}
ADDED_LATER = {"reference_weights": None}  # what a record of an earlier release means by not saying it
SHOWN_ONLY = ("schema", "model_revision", *NAMES.values())  # what they hold is compared instead


def configuration(
    config: RunConfig, loaded: LoadedVersion, model_weights: str, template: str, launch: str
) -> dict[str, Any]:
    """The record of a run that `config` describes; `model_weights` and `template` identify what it starts from."""
    data, training = config.data, config.training
    model = {name: value for name, value in asdict(config.model).items() if name != "dtype"}
    schedule = training.to_dict()
    record = {
        "schema": SCHEMA,
        "dataset": loaded.reference,
        "data_commit": loaded.commit,
        "translator": data.translator or loaded.translator or next(iter(loaded.translators()), None),
        "languages": language_list(data.languages),
        "dominant_language": data.dominant_language or loaded.dominant,
        "language_weights": weights(data.language_weights),
        "pairs_per_language": data.pairs_per_language,
        "mix": data.mix,
        "code_switch": data.code_switch,
        "parallel": data.parallel,
        **asdict(config.method),
        **config.hyper,
        **model,
        "model_weights": model_weights,
        "reference_weights": reference_weights(config),
        "template_hash": template,
        "dtype": str(config.model.dtype),
        **{name: schedule[name] for name in SCHEDULE if name in schedule},
        "chat_template": training.chat_template,
        **_sharding(launch, training),
    }
    return {name: _plain(value) for name, value in record.items()}


def of_finished_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """As much of the record as the run.json of an earlier release tells."""
    training = run.get("training", {})
    record = {
        "dataset": run["data"].get("reference"),
        "data_commit": run["data"].get("commit"),
        "translator": run["data"].get("translator"),
        "method": run["method"],
        "model_name_or_path": run.get("base_model"),
        "model_weights": run.get("base_weights"),
        **run.get("switches", {}),
        **run.get("hyper_parameters", {}),
        "lr_scheduler_type": training.get("scheduler"),
        "num_train_epochs": training.get("epochs"),
        **{k: training.get(k) for k in ("global_batch_size", "learning_rate", "warmup_steps", "max_length", "seed")},
    }
    return {name: value for name, value in record.items() if value is not None}


def differences(bound: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`beta 1.0 (now 2.0)` for everything both records say and do not agree on; empty where they agree."""
    bound = {**ADDED_LATER, **bound}
    unequal = [name for name in bound if name in now and name not in SHOWN_ONLY and bound[name] != now[name]]
    return [_difference(name, bound, now) for name in unequal]


def _difference(name: str, bound: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    shown = NAMES.get(name, name)
    if shown != name and bound.get(shown) != now.get(shown):
        return f"{shown} {bound.get(shown)} (now {now.get(shown)})"
    if shown != name:
        return f"other contents of {shown} {now.get(shown)} ({_short(bound[name])}, now {_short(now[name])})"
    return f"{shown} {_short(bound[name])} (now {_short(now[name])})"


def _sharding(launch: str, training: MPOConfig) -> dict[str, Any]:
    """The launch mode; where it shares out the optimizer's state, the number of processes that hold it."""
    return {"launch": launch} if launch == "ddp" else {"launch": launch, "processes": training.world_size}


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) >= 40 and text.isalnum() else text


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
