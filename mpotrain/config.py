"""What a run is configured by: TRL's way (`--config file.yaml` and flags), on top of every TrainingArguments flag.

The hyper-parameters of the methods are flags too (`--beta`, `--gamma`, ...): they are read off the losses themselves.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from trl import ModelConfig

from mpodata.errors import ConfigError, UnknownName
from mpodata.languages import language
from mpotrain import launch
from mpotrain.data import TRUNCATIONS
from mpotrain.flags import (
    Flags,
    check_bounds,
    check_mix,
    check_trackers,
    check_values,
    flag_value,
    read_config,
    read_yaml,
    renamed_flag,
    without_config,
)
from mpotrain.mixes import CODE_SWITCH, MIXES, PARALLEL
from mpotrain.model.chat_template import TOKENIZER
from mpotrain.model.layers import parse_layers
from mpotrain.objective.gap_target import check_gap
from mpotrain.objective.losses import LOSSES, Loss

PRESETS = Path(__file__).with_name("presets")
RETENTIONS = ("authors", "paper", "kl", "off")
AUTO = "auto"
SEARCH = "search"  # the file with the papers' search spaces, which is no preset


@dataclass
class DataConfig:
    """Which rows to train on."""

    dataset: str = field(
        default="", metadata={"help": "Dataset version: NAME@v1.2.0, user/name@v1.2.0#nllb-3.3b, or a version folder."}
    )
    translator: str | None = field(
        default=None, metadata={"help": "Whose translations; needed where a version has several."}
    )
    languages: str | None = field(
        default=None, metadata={"help": "Target languages: zh,sw. Default: all of the version."}
    )
    dominant_language: str | None = field(
        default=None, metadata={"help": "Train towards this language's reward gap. Default: the version's own."}
    )
    language_weights: str | None = field(
        default=None, metadata={"help": "Weight of a language's rows in the loss: sw=2,bn=1.5. Default: 1 each."}
    )
    pairs_per_language: int | None = field(
        default=None, metadata={"help": "Use the first N pairs only, the same ones in every language."}
    )
    mix: str | None = field(
        default=None, metadata={"help": f"Train on rows made of the pairs, for --method sft: {', '.join(MIXES)}."}
    )
    code_switch: float = field(default=CODE_SWITCH, metadata={"help": "With --mix: chance to switch a sentence."})
    parallel: float = field(default=PARALLEL, metadata={"help": "With --mix: share of pairs with translation rows."})


@dataclass
class MethodConfig:
    """What the loss is made of, beyond the method's own hyper-parameters."""

    method: str = field(default="mpo", metadata={"help": f"Training method: {', '.join(sorted(LOSSES))}."})
    retain: str = field(
        default=AUTO,
        metadata={
            "help": "Keep the dominant language's states: authors (mean over its prompt and answers, the released "
            "code), paper (last prompt token, eq. 8), kl (its log-probabilities instead), off. "
            "Default: authors for mpo, off for the others."
        },
    )
    retain_weight: float = field(default=1.0, metadata={"help": "Weight of the retention term (L2)."})
    gap: str = field(
        default="dominant",
        metadata={
            "help": "Where MPO's target gap comes from: dominant, policy (the policy's own dominant gap, trained "
            "through both, Table 15), policy-detached (no gradient through it), a number (Table 13) or a language code "
            "(Table 5)."
        },
    )
    length_normalize: bool | None = field(
        default=None, metadata={"help": "Average log-probabilities over tokens. Default: as the method defines."}
    )
    nll_weight: float = field(
        default=0.0,
        metadata={"help": "Adds this times -log pi(chosen) per token. Not in the MPO paper; recorded as a deviation."},
    )
    dominant_rows: bool | None = field(
        default=None, metadata={"help": "Train on the dominant pairs too. Default: baselines yes, mpo pairs them."}
    )


@dataclass
class MPOConfig(TrainingArguments):  # type: ignore[misc]
    """TrainingArguments with the paper's schedule as defaults, and a batch that is stated for the whole machine."""

    output_dir: str | None = field(
        default=None, metadata={"help": "Folder of the run: model, run.json, metrics.jsonl."}
    )
    global_batch_size: int = field(
        default=8,
        metadata={"help": "Rows per optimizer step over all processes; accumulation follows from it."},
    )
    per_device_train_batch_size: int = field(
        default=8, metadata={"help": "Most rows in one forward of one process (bounds memory, never changes results)."}
    )
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Follows from global_batch_size; leave out."})
    max_length: int = field(default=2048, metadata={"help": "Longest prompt + answer in tokens; truncation cuts them."})
    truncation: str = field(
        default="answer",
        metadata={
            "help": "What is cut at max_length: answer (its end), released (prompt and answer share the room, as in "
            "the authors' code, which cuts at 1024)."
        },
    )
    chat_template: str = field(
        default=TOKENIZER,
        metadata={
            "help": "tokenizer (its own), authors (what MPO's authors trained Llama-3 and Gemma with), or a Jinja file."
        },
    )
    group_by_pair: bool = field(
        default=False, metadata={"help": "Put a pair's languages into one batch: its dominant side is encoded once."}
    )
    train_layers: str | None = field(
        default=None, metadata={"help": "Train these layers alone, the first being 0: 30-31 or 0,2,5-7. Default: all."}
    )
    bf16_weights: bool = field(
        default=False,
        metadata={
            "help": "Train bfloat16 weights by AdamW with Kahan summation, each gradient applied as it is computed: 8 "
            "bytes a parameter, so that an 8 B model fits one 80 GB GPU. One process, no accumulation, no clipping."
        },
    )
    disable_dropout: bool = field(default=True, metadata={"help": "Train without dropout, as TRL does."})
    pad: bool = field(default=False, metadata={"help": "Pad instead of packing, for attention that cannot pack."})
    num_train_epochs: float = field(default=2.0, metadata={"help": "Passes over the rows."})
    learning_rate: float = field(default=6e-7, metadata={"help": "Peak learning rate (Table 8, Llama-3.1-8B)."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Learning-rate schedule."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps, or below 1 the share of all steps."})
    logging_steps: float = field(default=10, metadata={"help": "Log every so many steps."})
    save_strategy: str = field(default="no", metadata={"help": "When to write checkpoints: no, steps, epoch."})
    save_minutes: float = field(
        default=10.0,
        metadata={
            "help": "Write a checkpoint every so many minutes, so that a killed run loses no more; 0: only where "
            "save_strategy says so. Removed at the end where save_strategy is no."
        },
    )
    report_to: str | None = field(default="none", metadata={"help": "tensorboard, wandb, trackio, ..., none."})

    hub_strategy: str = field(default="end", metadata={"help": "With --push_to_hub: push once, when all is done."})

    def __post_init__(self) -> None:
        """Derive accumulation before DeepSpeed's `auto` values are filled from it."""
        if self.output_dir is None:
            raise ConfigError("--output_dir is missing: the folder this run is written to.")
        check_values(self)
        if self.truncation not in TRUNCATIONS:
            raise UnknownName("truncation", self.truncation, TRUNCATIONS)
        check_trackers(self.report_to)
        if self.train_layers is not None:
            self.train_layers = str(self.train_layers)
            parse_layers(self.train_layers)
        if self.gradient_accumulation_steps != 1:
            raise ConfigError(
                f"gradient_accumulation_steps follows from global_batch_size ({self.global_batch_size}), the processes "
                "and per_device_train_batch_size: leave it out and set those."
            )
        if self.hub_token is not None:
            raise ConfigError(
                "A token on the command line ends up in logs and checkpoints: leave --hub_token out, and log in with "
                "`hf auth login` or set HF_TOKEN."
            )
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        share = -(-self.global_batch_size // processes)
        self.gradient_accumulation_steps = -(-share // self.per_device_train_batch_size)
        self.per_device_train_batch_size = -(-share // self.gradient_accumulation_steps)
        self.remove_unused_columns = False
        super().__post_init__()
        if self.deepspeed and self.use_cpu:
            launch.deepspeed_on_cpu()
        self._n_gpu = min(self.n_gpu, 1)  # several GPUs are used by several processes (--launch), never DataParallel


def _hyper_fields() -> list[tuple[str, type, Any]]:
    users: dict[str, list[str]] = {}
    for loss in LOSSES.values():
        for name, value in loss.hyper.items():
            users.setdefault(name, []).append(f"{loss.name} {value}")
    kinds = {name: type(value) for loss in LOSSES.values() for name, value in loss.hyper.items()}
    return [
        (name, kinds[name] | None, field(default=None, metadata={"help": f"Defaults: {', '.join(methods)}."}))  # type: ignore[misc]
        for name, methods in sorted(users.items())
    ]


HyperConfig = make_dataclass("HyperConfig", _hyper_fields())
HyperConfig.__module__ = __name__
HyperConfig.__doc__ = "The methods' own hyper-parameters; those left out take the method's default."


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run, fully configured."""

    data: DataConfig
    method: MethodConfig
    training: MPOConfig
    model: ModelConfig
    loss: Loss
    hyper: Mapping[str, Any]  # the loss's keywords


def parse(arguments: Sequence[str], preset: str | None = None) -> RunConfig:
    """Flags over `--config file.yaml` over the preset over defaults; raises ConfigError where that cannot be right."""
    arguments, path = without_config([renamed_flag(argument) for argument in arguments])
    config = read_config(path) if path is not None else {}
    parser = Flags((DataConfig, MethodConfig, HyperConfig, MPOConfig, ModelConfig), allow_abbrev=False)
    if preset:
        method = flag_value(arguments, "method") or config.get("method") or MethodConfig.method
        parser.set_checked_defaults(load_preset(preset, str(method)), f"preset {preset!r}")
    parser.set_checked_defaults(config, str(path))
    parser.check_known(arguments)
    try:
        data, method_config, hyper, training, model = parser.parse_args_into_dataclasses(list(arguments))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{error} `mpotrain train --help` lists the flags.") from error
    return resolve(data, method_config, training, model, vars(hyper))


def flags_help() -> str:
    """Every flag of `mpotrain train`, as argparse lists them."""
    parser = Flags((DataConfig, MethodConfig, HyperConfig, MPOConfig, ModelConfig), prog="mpotrain train")
    return str(parser.format_help())


def resolve(
    data: DataConfig,
    method: MethodConfig,
    training: MPOConfig,
    model: ModelConfig,
    hyper: Mapping[str, Any],
) -> RunConfig:
    """Fill in what the method decides, and refuse what it does not know."""
    for part in (data, method, model):
        check_values(part)
    language_list(data.languages)
    weights(data.language_weights)
    loss = find_loss(method.method)
    given = {name: value for name, value in hyper.items() if value is not None}
    for name in given:
        if name not in loss.hyper:
            takes = ", ".join(sorted(loss.hyper)) or "no hyper-parameter"
            raise ConfigError(f"Method {loss.name!r} has no {name}; it takes {takes}.")
    check_bounds(given)
    if method.retain == AUTO:
        method.retain = "authors" if loss.rows == "paired" else "off"
    if method.retain not in RETENTIONS:
        raise UnknownName("retention", method.retain, RETENTIONS)
    check_gap(method.gap)
    if method.gap != "dominant" and "dominant_gap" not in loss.quantities:
        raise ConfigError(f"gap {method.gap!r} has no effect: method {loss.name!r} does not use the dominant gap.")
    if method.retain == "off" and method.retain_weight != MethodConfig.retain_weight:
        raise ConfigError("retain_weight has no effect: nothing is retained (--retain off).")
    check_adapter_flags(model)
    if training.bf16_weights:
        check_bf16_weights(training, model)
        model.dtype = "bfloat16"
    if training.train_layers is not None and model.use_peft:
        raise ConfigError("train_layers has no effect with --use_peft, which freezes all layers and trains adapters.")
    if method.length_normalize is None:
        method.length_normalize = loss.log_probs == "mean"
    if loss.rows == "dominant" and (method.dominant_rows is not None or method.retain != "off"):
        raise ConfigError(f"Method {loss.name!r} trains dominant rows alone: leave out --dominant_rows and --retain.")
    check_bounds({"code_switch": data.code_switch, "parallel": data.parallel})
    check_mix(data, loss, method.retain, dominant_rows=bool(method.dominant_rows))
    if method.dominant_rows is None:
        method.dominant_rows = loss.rows == "all" and data.mix is None
    return RunConfig(data, method, training, model, loss, {**loss.hyper, **given})


def check_adapter_flags(model: ModelConfig) -> None:
    """Raises ConfigError for settings of LoRA in a run that trains all weights."""
    if model.use_peft:
        return
    usual = ModelConfig()
    for setting in fields(model):
        name = setting.name
        if name.startswith(("lora_", "use_rslora", "use_dora")) and getattr(model, name) != getattr(usual, name):
            raise ConfigError(f"{name} has no effect without --use_peft.")


def check_bf16_weights(training: MPOConfig, model: ModelConfig) -> None:
    """Raises ConfigError for what does not go together with gradients that are applied one by one."""
    usual = {setting.name: setting.default for setting in fields(MPOConfig)}
    refused = (
        (model.use_peft, "trains all weights: leave out --use_peft, or --bf16_weights."),
        (model.load_in_4bit or model.load_in_8bit, "trains all weights: leave the quantisation out."),
        (training.fp16, "computes in bfloat16: leave out --fp16."),
        (
            training.world_size > 1 or training.deepspeed or training.fsdp,
            "is for one process: on several GPUs use --launch zero2, zero3 or fsdp2 without it.",
        ),
        (training.optim != usual["optim"] or training.optim_args, "brings its own AdamW: leave out --optim."),
        (training.weight_decay != 0, "has no weight decay, which would round to nothing: add --weight_decay 0."),
        (
            training.max_grad_norm != 0,
            "applies gradients one by one, so their common norm cannot be clipped: add --max_grad_norm 0.",
        ),
        (
            training.gradient_accumulation_steps > 1,
            f"needs all rows of a step in one forward: add --per_device_train_batch_size {training.global_batch_size}.",
        ),
    )
    for applies, why in refused:
        if applies:
            raise ConfigError(f"--bf16_weights {why}")


def find_loss(name: str) -> Loss:
    """The loss behind a method's name; raises UnknownName."""
    if name not in LOSSES:
        raise UnknownName("method", name, LOSSES)
    return LOSSES[name]


def load_preset(name: str, method: str) -> dict[str, Any]:
    """Flags of a preset for one method; raises UnknownName, ConfigError.

    A preset is YAML: `source` (where its numbers come from), flags for every method, `methods: {name: flags}` on top of
    them, `extends` (a preset whose flags come first), and `search: {method: {flag: [values]}}`, the space that
    `mpotrain sweep` walks.
    """
    if name == SEARCH:
        raise UnknownName("preset", name, preset_names())
    content = preset_file(name)
    first = load_preset(str(content["extends"]), method) if "extends" in content else {}
    flags = {key: value for key, value in content.items() if key not in ("source", "methods", "search", "extends")}
    return {**first, **flags, **(content.get("methods") or {}).get(method, {})}


def preset_file(name: str) -> dict[str, Any]:
    """The content of a preset that ships with mpotrain, or of a YAML file of the user's; raises UnknownName."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise UnknownName("preset", name, preset_names())
    return read_yaml(path)


def preset_names() -> list[str]:
    """The presets that `--preset` takes, a YAML file of one's own aside."""
    return [path.stem for path in PRESETS.glob("*.yaml") if path.stem != SEARCH]


def language_list(text: str | Sequence[str] | None) -> list[str] | None:
    """`zh,sw` (flag) or a list (YAML) as language codes; None where nothing was said."""
    if text is None:
        return None
    names = text.split(",") if isinstance(text, str) else [str(name) for name in text]
    codes = [language(name.strip()).code for name in names if name.strip()]
    if not codes:
        raise ConfigError("--languages names no language: leave it out for all of the version.")
    for code, count in Counter(codes).items():
        if count > 1:
            raise ConfigError(f"--languages names {code} {count} times.")
    return codes


def weights(text: str | Mapping[str, float] | None) -> dict[str, float]:
    """`sw=2,bn=1.5` (flag) or a mapping (YAML) as weight per language; raises ConfigError."""
    if text is None:
        return {}
    if isinstance(text, str):
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        items: list[tuple[str, Any]] = [(name.strip(), value) for name, _, value in parts]
    else:
        items = list(text.items())
    try:
        numbers = [(name, float(value)) for name, value in items]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"language_weights must look like sw=2,bn=1.5, got {text!r}.") from error
    if any(weight < 0 for _, weight in numbers):
        raise ConfigError(f"language_weights must not be negative, got {text!r}.")
    return {language(name).code: weight for name, weight in numbers}
