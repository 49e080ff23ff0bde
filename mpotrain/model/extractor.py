"""A linear map of states that is trained beside the model and thrown away after training (MLC's extractor)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FILE = "state_extractor.safetensors"  # in checkpoints of adapters, which hold nothing else of the model
NAME = "state_extractor"  # the module's name inside the model, so that every launch mode treats it as its own


def add_extractor(model: Any, dimensions: int, seed: int) -> None:
    """Give `model`, bare or a PeftModel, a trainable map of its states to `dimensions`; equal in every process."""
    from peft import PeftModel

    bare = model.get_base_model() if isinstance(model, PeftModel) else model
    head = bare.get_output_embeddings().weight
    width = bare.config.get_text_config().hidden_size
    drawn = torch.randn(dimensions, width, generator=torch.Generator().manual_seed(seed)) / width**0.5
    extractor = nn.Linear(width, dimensions, bias=False)
    extractor.weight = nn.Parameter(drawn.to(head.device, head.dtype if head.is_floating_point() else torch.float32))
    bare.add_module(NAME, extractor)


def without_extractor(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the model alone."""
    return {name: value for name, value in weights.items() if f"{NAME}." not in name}


def save_extractor(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Keep the extractor of `weights` in a checkpoint."""
    (weight,) = (value for name, value in weights.items() if f"{NAME}." in name)
    save_file({NAME: weight.detach().cpu().contiguous()}, folder / FILE)


def load_extractor(model: nn.Module, folder: Path) -> None:
    """Give `model` the extractor that a checkpoint keeps in a file of its own, where it does."""
    if (folder / FILE).is_file():
        (weight,) = (value for name, value in model.named_parameters() if f"{NAME}." in name)
        with torch.no_grad():
            weight.copy_(load_file(folder / FILE)[NAME])
