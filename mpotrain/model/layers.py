"""Which layers of a model are trained: `--train_layers 30-31` freezes everything else, embeddings and head included."""

import re

from torch import nn

from mpodata.errors import ConfigError

LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")  # parameters inside a layer


def parse_layers(text: str) -> frozenset[int]:
    """`30-31` or `0,2,5-7` as layer numbers, the first being 0; raises ConfigError."""
    layers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
            raise ConfigError(f"train_layers must look like 30-31 or 0,2,5-7, got {text!r}.")
        layers.update(range(int(first), int(last or first) + 1))
    return frozenset(layers)


def trained_names(model: nn.Module, layers: frozenset[int]) -> set[str]:
    """The parameters that lie in `layers`; raises ConfigError for a layer that the model lacks."""
    numbers = {name: int(match[1]) for name, _ in model.named_parameters() if (match := LAYER.search(name))}
    there = set(numbers.values())
    if missing := sorted(layers - there):
        raise ConfigError(
            f"train_layers names layer {missing[0]}, which the model lacks: it has layers 0 to "
            f"{max(there, default=-1)}."
        )
    return {name for name, number in numbers.items() if number in layers}


def freeze_others(model: nn.Module, layers: frozenset[int]) -> None:
    """Train `layers` alone."""
    trained = trained_names(model, layers)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
