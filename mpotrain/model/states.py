"""Hidden states of whole sequences: which are wanted, and how they are read off the states of tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mpotrain.model.batches import Batch

Pooling = Literal["mean", "last", "last_prompt"]


@dataclass(frozen=True, slots=True)
class States:
    """One request: of which layer, at which tokens of a sequence, with or without gradient."""

    pooling: Pooling  # mean over all tokens, the last token, or the prompt's last token
    layer: int | None = None  # None: after the final norm; 0: embeddings; n: after block n, the last one's normed
    detached: bool = False
    extracted: int = 0  # dimensions of a trained linear map the pooled states go through (`extractor.py`); 0: none

    @property
    def name(self) -> str:
        """What it is called in the reference's records, whose states are neither detached nor extracted."""
        return self.pooling if self.layer is None else f"{self.pooling}@{self.layer}"


def names(requests: Iterable[States]) -> list[str]:
    """The names of `requests`, each once, in a fixed order."""
    return sorted({request.name for request in requests})


def pooled(hidden: Tensor, batch: Batch, pooling: Pooling) -> Tensor:
    """(T, d) states of tokens -> (n, d), one for each sequence of `batch`."""
    if pooling == "mean":
        return _means(batch, hidden)
    return hidden[batch.last_prompt if pooling == "last_prompt" else batch.places[batch.starts[1:] - 1]]


def _means(batch: Batch, hidden: Tensor) -> Tensor:
    """(n, d) averages over each sequence's tokens: one matrix product, whatever the layout and what is shared."""
    lengths = batch.starts.diff()
    owners = torch.arange(len(batch), device=hidden.device).repeat_interleave(lengths)
    weights = hidden.new_zeros(len(batch), len(hidden))
    weights[owners, batch.places] = 1 / lengths.to(hidden.dtype)[owners]
    return weights @ hidden
