"""Flags, `--config` file, preset and defaults joined into one run; combinations that cannot be right are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trl import ModelConfig

from mpodata.errors import ConfigError, UnknownName
from mpodata.languages import code_of
from mpotrain.config.data_options import DataConfig, language_list, weights
from mpotrain.config.method_options import AUTO, RETENTIONS, HyperConfig, MethodConfig, find_loss
from mpotrain.config.presets import load_preset
from mpotrain.config.run_options import MPOConfig, check_adapter_flags, check_bf16_weights
from mpotrain.flags import (
    Flags,
    check_bounds,
    check_mix,
    check_values,
    flag_value,
    read_config,
    renamed_flag,
    without_config,
)
from mpotrain.objective.gap_target import check_gap, is_own_gap
from mpotrain.objective.losses import Loss


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


def check_reference_flag(method: MethodConfig, loss: Loss) -> None:
    """Raises ConfigError for a reference model of which nothing would be asked."""
    asked = set(loss.quantities)
    on_states = any(part.constants or any(s.reference for s in part.states.values()) for part in loss.state_losses)
    measured = (
        on_states
        or asked & {"reference_chosen", "reference_rejected", "mismatched"}
        or ("dominant_gap" in asked and not is_own_gap(method.gap))
    )
    if method.reference is not None and not measured and method.retain == "off":
        raise ConfigError(f"reference has no effect: method {loss.name!r} compares with no reference here.")


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
    if data.dominant_language is not None:
        data.dominant_language = code_of(data.dominant_language)
    loss = find_loss(method.method)
    given = {name: value for name, value in hyper.items() if value is not None}
    for name in given:
        if name not in loss.hyper:
            takes = ", ".join(sorted(loss.hyper)) or "no hyper-parameter"
            raise ConfigError(f"Method {loss.name!r} has no {name}; it takes {takes}.")
    check_bounds(given)
    if method.retain == AUTO:
        method.retain = loss.retain or ("authors" if loss.rows == "paired" else "off")
    if method.retain not in RETENTIONS:
        raise UnknownName("retention", method.retain, RETENTIONS)
    check_gap(method.gap)
    if method.gap != "dominant" and "dominant_gap" not in loss.quantities:
        raise ConfigError(f"gap {method.gap!r} has no effect: method {loss.name!r} does not use the dominant gap.")
    if method.retain == "off" and method.retain_weight != MethodConfig.retain_weight:
        raise ConfigError("retain_weight has no effect: nothing is retained (--retain off).")
    check_reference_flag(method, loss)
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
    data.mix = data.mix or loss.mix
    if any(part.whole_batch for part in loss.state_losses) and not training.disable_dropout:
        raise ConfigError(f"Method {loss.name!r} needs two forwards that agree: leave out --disable_dropout.")
    check_mix(data, loss, method.retain, dominant_rows=bool(method.dominant_rows))
    if method.dominant_rows is None:
        method.dominant_rows = loss.rows == "all" and data.mix is None
    return RunConfig(data, method, training, model, loss, {**loss.hyper, **given})
