"""Reading flags and YAML: names that are known, values of the right type and within bounds, one sentence where not."""

import math
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, Protocol

from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from trl import TrlParser

from mpodata.errors import ConfigError, MissingPackage, UnknownName
from mpodata.runtime.flags import sentence_of
from mpodata.runtime.yaml_text import parse_yaml
from mpotrain.flag_names import RENAMED, unknown_flag
from mpotrain.mixes import CODE_SWITCH, PARALLEL, find_mix
from mpotrain.objective.losses import Loss

TRACKERS = {"tensorboard": "train", "wandb": "trackers", "trackio": "trackers"}  # package -> our extra that has it


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number may be."""

    low: float
    sentence: str
    above: bool = False  # greater than `low`, not equal to it
    high: float = math.inf  # less than this

    def holds(self, value: float) -> bool:
        over = value > self.low if self.above else value >= self.low
        return math.isfinite(value) and over and value < self.high


POSITIVE = Bound(0, "must be greater than 0", above=True)
NOT_NEGATIVE = Bound(0, "must not be negative")
AT_LEAST_1 = Bound(1, "must be at least 1")
UP_TO_1 = Bound(0, "must be from 0 to 1", high=math.nextafter(1, 2))
SHARE = Bound(0, "must be at least 0 and below 1", high=1)

BOUNDS: Mapping[str, Bound] = {
    **dict.fromkeys(("learning_rate", "num_train_epochs", "adam_epsilon", "logging_steps", "save_steps"), POSITIVE),
    **dict.fromkeys(("eval_steps", "beta", "tau", "temperature"), POSITIVE),
    **dict.fromkeys(("warmup_steps", "weight_decay", "max_grad_norm", "save_minutes"), NOT_NEGATIVE),
    **dict.fromkeys(("seed", "data_seed"), NOT_NEGATIVE),
    **dict.fromkeys(("retain_weight", "nll_weight", "gamma", "alpha", "weight", "eval_delay"), NOT_NEGATIVE),
    **dict.fromkeys(("chosen_weight", "rejected_weight", "align_weight", "strength"), NOT_NEGATIVE),
    "neftune_noise_alpha": NOT_NEGATIVE,
    **dict.fromkeys(("global_batch_size", "per_device_train_batch_size", "per_device_eval_batch_size"), AT_LEAST_1),
    **dict.fromkeys(("max_length", "pairs_per_language", "save_total_limit", "lora_r", "lora_alpha"), AT_LEAST_1),
    "every": AT_LEAST_1,
    "epsilon": Bound(0, "must be at least 0 and below 0.5", high=0.5),
    **dict.fromkeys(("code_switch", "parallel"), UP_TO_1),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "lora_dropout"), SHARE),
}  # fmt: skip


class Flags(TrlParser):  # type: ignore[misc]
    """TRL's parser with our errors: one sentence instead of two hundred lines of usage."""

    def error(self, message: str) -> NoReturn:
        told = sentence_of(message)
        raise ConfigError(f"{told[:1].upper()}{told[1:]}. `mpotrain train --help` lists the flags.")

    def check_known(self, arguments: Sequence[str]) -> None:
        """Raises ConfigError, with the closest match, for a flag that does not exist."""
        for argument in arguments:
            name = argument.partition("=")[0]
            if name.startswith("--") and name not in self._option_string_actions:
                raise unknown_flag(f"flag {name}", name, self._option_string_actions)

    def set_checked_defaults(self, values: Mapping[str, Any], source: str) -> None:
        """Take `values` from `source` as defaults; raises ConfigError for a name that is no flag."""
        names = {action.dest for action in self._actions}
        for name in values:
            if name not in names:
                raise unknown_flag(f"setting {name!r} in {source}", name, names)
        self.set_defaults_with_config(**values)


def check_values(settings: Any) -> None:
    """Every number and switch of a dataclass has its type and lies within its bounds; raises ConfigError."""
    kinds = typing.get_type_hints(type(settings))
    for field in fields(settings):
        value = getattr(settings, field.name)
        expected = _kind(kinds[field.name])
        if value is None or expected is None:
            continue
        if expected is bool and not isinstance(value, bool):
            raise ConfigError(f"{field.name} must be true or false, got {value!r}.")
        if expected in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"{field.name} must be a number, got {value!r}.")
        if expected is int and value != int(value):
            raise ConfigError(f"{field.name} must be a whole number, got {value!r}.")
        if expected in (int, float):
            object.__setattr__(settings, field.name, expected(value))
    check_bounds({field.name: getattr(settings, field.name) for field in fields(settings)})


def check_bounds(values: Mapping[str, Any]) -> None:
    """Raises ConfigError for a number that its flag cannot take."""
    for name, value in values.items():
        bound = BOUNDS.get(name)
        if bound is not None and isinstance(value, int | float) and not bound.holds(value):
            raise ConfigError(f"{name} {bound.sentence}, got {value:g}.")


class MixFlags(Protocol):
    """The flags that make a mix."""

    mix: str | None
    code_switch: float
    parallel: float


def check_mix(data: MixFlags, loss: Loss, retain: str, *, dominant_rows: bool) -> None:
    """Raises UnknownName, ConfigError for what does not go together with rows that have one answer and no pair."""
    mix = data.mix
    if mix is None:
        if (data.code_switch, data.parallel) != (CODE_SWITCH, PARALLEL):
            raise ConfigError("code_switch and parallel have no effect without --mix.")
        return
    find_mix(mix)
    if loss.mix is not None and mix != loss.mix:
        raise ConfigError(f"Method {loss.name!r} trains on the rows of --mix {loss.mix}: leave out --mix {mix}.")
    if mix == "cla" and (data.code_switch, data.parallel) != (CODE_SWITCH, PARALLEL):
        raise ConfigError("code_switch and parallel have no effect on --mix cla.")
    if loss.compares:
        raise ConfigError(
            f"Method {loss.name!r} compares a chosen with a rejected answer, which the rows of --mix {mix} do not "
            "have: use --method sft, or leave out --mix."
        )
    if retain != "off":
        raise ConfigError(f"The rows of --mix {mix} have no dominant side to retain: leave out --retain {retain}.")
    if dominant_rows:
        raise ConfigError(f"--mix {mix} already holds the dominant rows: leave out --dominant_rows.")


def check_trackers(report_to: str | Sequence[str] | None) -> None:
    """The packages behind --report_to are installed; raises UnknownName, MissingPackage."""
    names = [report_to] if isinstance(report_to, str) else list(report_to or [])
    trackers = [*INTEGRATION_TO_CALLBACK, "none", "all"]
    for name in names:
        if name not in trackers:
            raise UnknownName("tracker of --report_to:", name, trackers)
        if name in TRACKERS and find_spec(name) is None:
            raise MissingPackage(name, f"--report_to {name}", TRACKERS[name])


def renamed_flag(argument: str) -> str:
    """`--model` is what the documentation says, `--model_name_or_path` what TRL says; likewise the rest of RENAMED."""
    name, equals, value = argument.partition("=")
    return f"--{RENAMED[name[2:]]}{equals}{value}" if name.startswith("--") and name[2:] in RENAMED else argument


def flag_value(arguments: Sequence[str], name: str) -> str | None:
    """The value of one flag before the full parse."""
    for place, argument in enumerate(arguments):
        key, equals, value = argument.partition("=")
        if key == f"--{name}":
            return value if equals else next(iter(arguments[place + 1 :]), None)
    return None


def without_config(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The arguments without `--config FILE`, and that file."""
    path = flag_value(arguments, "config")
    if path is None:
        return list(arguments), None
    place = next(n for n, argument in enumerate(arguments) if argument.partition("=")[0] == "--config")
    width = 1 if "=" in arguments[place] else 2
    return [*arguments[:place], *arguments[place + width :]], Path(path)


def read_config(path: Path) -> dict[str, Any]:
    """A YAML file of flags, under TRL's names; its `env` sets environment variables, as TRL's does."""
    if not path.is_file():
        raise ConfigError(f"There is no config file {path}.")
    content = read_yaml(path)
    for name, value in (content.pop("env", None) or {}).items():
        os.environ[str(name)] = str(value)
    values: dict[str, Any] = {}
    for name, value in content.items():
        flag = RENAMED.get(str(name), str(name))
        if flag in values:
            raise ConfigError(f"{path} says {flag} twice: as {name} and as {flag}.")
        values[flag] = value
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; raises ConfigError."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of flags to values.")
    for name in content:
        if not isinstance(name, str):
            raise ConfigError(f"{path} must hold a mapping of flags to values: {name!r} is no flag.")
    return content


def _kind(annotation: Any) -> type | None:
    """bool, int or float where a field is one of them or None; else None."""
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if typing.get_origin(annotation) is typing.Union:
        options = typing.get_args(annotation)
    plain = [option for option in options if option is not type(None)]
    return plain[0] if len(plain) == 1 and plain[0] in (bool, int, float) else None
