"""Will it fit? The memory that training needs whatever the batch, estimated before anything is loaded.

Weights, gradients and AdamW's two moments; activations come on top and depend on the batch, so what is refused here
could not have run.
"""

from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.initialization import no_init_weights

from mpodata.engines.checkpoints import load_pretrained
from mpodata.errors import ModelError
from mpotrain.config import RunConfig
from mpotrain.model.layers import parse_layers, trained_names

GIB = 2**30
SIZES = {"bfloat16": 2.0, "float16": 2.0, "float32": 4.0}
QUANTISED = {4: 0.6, 8: 1.1}  # bytes per parameter, scales included


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes per process."""

    weights: float
    training: float  # gradients, AdamW's moments, float32 master weights
    parameters: int

    @property
    def total(self) -> float:
        return self.weights + self.training


def need(
    parameters: int,
    trained: int,
    *,
    dtype: str = "float32",
    mode: str | None = None,
    processes: int = 1,
    quantised: int | None = None,
    low_precision: bool = False,
) -> Need:
    """What one process holds. mode: None or ddp (everything everywhere), zero2, zero3, fsdp2 (shared out).

    low_precision: DeepSpeed under bf16 computes in 16-bit weights and keeps float32 ones for the optimizer.
    """
    size = QUANTISED[quantised] if quantised else SIZES.get(dtype, 2.0)
    master = 0.0
    if mode in ("zero2", "zero3") and low_precision:
        size, master = 2.0, 4.0
    weights = parameters * size
    training = trained * (size if not quantised else 4.0) + trained * (8.0 + master)
    if mode in ("zero3", "fsdp2"):
        weights /= processes
    if mode in ("zero2", "zero3", "fsdp2"):
        training /= processes
    return Need(weights, training, parameters)


def check_memory(config: RunConfig, mode: str | None, processes: int) -> Need:
    """Raises ModelError with the estimate where a device cannot hold even that; returns what is needed."""
    settings = config.model
    architecture = load_pretrained("AutoConfig", str(settings.model_name_or_path), settings.model_revision)
    parameters = count_parameters(architecture)
    trained = _trained(architecture, config, parameters)
    quantised = 4 if settings.load_in_4bit else 8 if settings.load_in_8bit else None
    needed = need(
        parameters,
        trained,
        dtype=str(settings.dtype),
        mode=mode,
        processes=processes,
        quantised=quantised,
        low_precision=bool(config.training.bf16 or config.training.fp16),
    )
    available, where = _available(config.training.device, processes)
    if needed.total > available:
        raise ModelError(
            f"Training {settings.model_name_or_path} ({parameters / 1e9:.1f} B parameters) needs at least "
            f"{needed.total / GIB:.1f} GiB per process (weights {needed.weights / GIB:.1f}, gradients and AdamW "
            f"{needed.training / GIB:.1f}) before any activation; {where} has {available / GIB:.1f} GiB. "
            "Share it out with --launch fsdp2 or zero3 over more devices, or train adapters with --use_peft."
        )
    return needed


def count_parameters(architecture: Any) -> int:
    """Parameters of a model of this configuration, tied ones once; nothing is allocated."""
    return sum(parameter.numel() for parameter in _unallocated(architecture).parameters())


def _unallocated(architecture: Any) -> Any:
    """The model of a configuration, without memory for its weights."""
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(architecture), None)
    if kind is None:
        raise ModelError(f"{type(architecture).__name__} is no causal language model: mpotrain cannot train it.")
    with torch.device("meta"), no_init_weights():  # not from_config, which ZeRO-3 would make share out the parameters
        return kind(architecture)


def _trained(architecture: Any, config: RunConfig, parameters: int) -> int:
    """How many parameters are trained: all, LoRA's, or those of --train_layers."""
    if config.model.use_peft:
        return _adapter_parameters(architecture, config.model.lora_r)
    if config.training.train_layers is None:
        return parameters
    model = _unallocated(architecture)
    names = trained_names(model, parse_layers(config.training.train_layers))
    return sum(parameter.numel() for name, parameter in model.named_parameters() if name in names)


def _adapter_parameters(architecture: Any, rank: int) -> int:
    """LoRA on every projection: about 14 vectors of the hidden size per layer and rank."""
    text = architecture.get_text_config()
    return int(14 * rank * text.hidden_size * text.num_hidden_layers)


def _available(device: torch.device, processes: int) -> tuple[float, str]:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory), "a GPU here"
    return psutil.virtual_memory().available / max(1, processes), "a process's part of this machine's memory"
