"""What a run is configured by: TRL's way (`--config file.yaml` and flags), on top of every TrainingArguments flag.

The hyper-parameters of the methods are flags too (`--beta`, `--gamma`, ...): they are read off the losses themselves.
"""

from mpotrain.config.data_options import DataConfig, language_list, weights
from mpotrain.config.method_options import AUTO, RETENTIONS, HyperConfig, MethodConfig, find_loss
from mpotrain.config.presets import PRESETS, SEARCH, load_preset, preset_file, preset_names
from mpotrain.config.resolve import RunConfig, flags_help, parse, resolve
from mpotrain.config.run_options import MPOConfig, check_adapter_flags, check_bf16_weights

__all__ = [
    "AUTO",
    "PRESETS",
    "RETENTIONS",
    "SEARCH",
    "DataConfig",
    "HyperConfig",
    "MPOConfig",
    "MethodConfig",
    "RunConfig",
    "check_adapter_flags",
    "check_bf16_weights",
    "find_loss",
    "flags_help",
    "language_list",
    "load_preset",
    "parse",
    "preset_file",
    "preset_names",
    "resolve",
    "weights",
]
