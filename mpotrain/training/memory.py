"""Will it fit? The memory that training needs whatever the batch, estimated before anything is loaded.

Weights, gradients and AdamW's two moments decide what is refused: it could not have run. Activations come on top and
depend on the batch; they are part of the estimate that is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.initialization import no_init_weights

from mpodata.engines.checkpoints import load_pretrained
from mpodata.errors import ModelError
from mpotrain.config import RunConfig
from mpotrain.model.head import SEGMENT_BYTES
from mpotrain.model.layers import parse_layers, trained_names
from mpotrain.training.layerwise import BYTES as LAYERWISE_BYTES

GIB = 2**30
SIZES = {"bfloat16": 2.0, "float16": 2.0, "float32": 4.0}
QUANTISED = {4: 0.6, 8: 1.1}  # bytes per parameter, scales included


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes per process."""

    weights: float
    training: float  # gradients, AdamW's moments, float32 master weights
    parameters: int
    activations: float = 0.0  # of the largest forward, where its tokens are known
    tokens: int = 0  # of that forward
    available: float = float("inf")  # what the device has

    @property
    def total(self) -> float:
        return self.weights + self.training + self.activations

    def line(self) -> str:
        """The estimate for a person."""
        parts = f"weights {_gib(self.weights)}, gradients and optimizer {_gib(self.training)}"
        line = (
            f"Estimated memory per process: {_gib(self.total)} GiB ({parts}, activations of {self.tokens:,} tokens "
            f"{_gib(self.activations)})."
        )
        if self.fits:
            return line
        return (
            f"{line} That is more than the {_gib(self.available)} GiB there are: add --gradient_checkpointing true, or "
            "lower --max_length or --per_device_train_batch_size."
        )

    @property
    def fits(self) -> bool:
        """Whether the estimate, activations included, is within what the device has."""
        return self.total <= self.available


def need(
    parameters: int,
    trained: int,
    *,
    dtype: str = "float32",
    mode: str | None = None,
    processes: int = 1,
    quantised: int | None = None,
    low_precision: bool = False,
    layerwise: int | None = None,
) -> Need:
    """What one process holds. mode: None or ddp (everything everywhere), zero2, zero3, fsdp2 (shared out).

    low_precision: DeepSpeed under bf16 computes in 16-bit weights and keeps float32 ones for the optimizer.
    layerwise: with --bf16_weights, the parameters of the largest matrix, whose gradient and update exist alone.
    """
    if layerwise is not None:
        weights = 2.0 * parameters
        return Need(weights, LAYERWISE_BYTES * trained - 2.0 * trained + 4.0 * layerwise, parameters)
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


def with_activations(needed: Need, architecture: Any, tokens: int, *, size: float, checkpointing: bool) -> Need:
    """`needed` with the activations of a forward over `tokens` tokens of a Llama-like model.

    A layer keeps 10 vectors of the hidden size (12 in 16 bits, whose norms are float32) and 4 of the intermediate size
    for its backward; with checkpointing only its input, and one layer at a time is computed again. The embeddings, the
    last norm and the head's input are 4 more vectors.
    """
    text = architecture.get_text_config()
    vectors = 12 if size == 2 else 10
    layer = size * tokens * (vectors * text.hidden_size + 4 * (getattr(text, "intermediate_size", 0) or 0))
    kept = size * tokens * text.hidden_size
    layers = text.num_hidden_layers
    head = 2 * min(SEGMENT_BYTES["cuda"], 4 * tokens * text.vocab_size)
    states = layers * kept + 1.5 * layer if checkpointing else layers * layer
    return replace(needed, activations=states + 4 * kept + head, tokens=tokens)


def largest_forward(lengths: Sequence[int], rows: int) -> int:
    """Tokens of the largest forward: the `rows` longest rows at once. lengths: tokens of every row's sequences."""
    return sum(sorted(lengths)[-rows:])


def check_memory(config: RunConfig, mode: str | None, processes: int, lengths: Sequence[int] = ()) -> Need:
    """Raises ModelError with the estimate where a device cannot hold even that; returns what is needed.

    lengths: tokens that each row encodes, where they are known.
    """
    settings = config.model
    architecture = load_pretrained("AutoConfig", str(settings.model_name_or_path), settings.model_revision)
    model = _unallocated(architecture)
    sizes = [parameter.numel() for parameter in model.parameters()]
    parameters = sum(sizes)
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
        layerwise=max(sizes) if config.training.bf16_weights else None,
    )
    available, where = _available(config.training.device, processes)
    if needed.total > available:
        raise ModelError(
            f"Training {settings.model_name_or_path} ({parameters / 1e9:.1f} B parameters) needs at least "
            f"{needed.total / GIB:.1f} GiB per process (weights {needed.weights / GIB:.1f}, gradients and AdamW "
            f"{needed.training / GIB:.1f}) before any activation; {where} has {available / GIB:.1f} GiB. "
            "Share it out with --launch fsdp2 or zero3 over more devices, train 16-bit weights with --bf16_weights, or "
            "adapters with --use_peft."
        )
    if not lengths:
        return needed
    return with_activations(
        replace(needed, available=available),
        architecture,
        largest_forward(lengths, config.training.per_device_train_batch_size),
        size=2.0 if config.training.bf16 or config.training.fp16 else SIZES.get(str(settings.dtype), 2.0),
        checkpointing=config.training.gradient_checkpointing,
    )


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


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"
