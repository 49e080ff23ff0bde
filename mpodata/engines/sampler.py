"""Drawing one token per row so that a row's answer depends on that row alone."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def row_seed(seed: int, content: Sequence[int] | str, candidate: int) -> int:
    """The seed of one candidate of one prompt: the same in any batch, after a resume, on any worker; 63 bits."""
    digest = hashlib.blake2b(json.dumps([seed, content, candidate]).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class RowSampler:
    """A logits processor that leaves one token per row: the one its own draw picks, or the most likely.

    Order of operations as in vLLM: repetition penalty over prompt and answer (no padding), temperature, top-p. The draw
    is one uniform number per row and token through the inverse of the cumulative distribution, so that neither
    the neighbours in a batch nor its padding change it.
    """

    supports_continuous_batching = False  # transformers asks

    def __init__(
        self,
        draws: "torch.Tensor",
        mask: "torch.Tensor",
        *,
        temperature: float,
        top_p: float,
        repetition_penalty: float,
    ) -> None:
        """draws: (rows, steps) in [0, 1). mask: (rows, width), 1 where the prompt has a token and 0 on padding."""
        self.draws = draws
        self.mask = mask
        self.temperature = temperature
        self.top_p = top_p
        self.repetition_penalty = repetition_penalty
        self._seen: torch.Tensor | None = None

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """input_ids: (rows, width + step). scores: (rows, vocabulary). Returns scores with one finite value per row."""
        import torch

        step = input_ids.shape[1] - self.mask.shape[1]
        if self.repetition_penalty != 1.0:
            seen = self._tokens_seen(input_ids, scores)
            penalised = torch.where(scores > 0, scores / self.repetition_penalty, scores * self.repetition_penalty)
            scores = torch.where(seen, penalised, scores)
        choice = scores.argmax(-1) if self.temperature == 0 else self._drawn(scores / self.temperature, step)
        return torch.full_like(scores, -torch.inf).scatter_(1, choice[:, None], 0.0)

    def _drawn(self, scores: "torch.Tensor", step: int) -> "torch.Tensor":
        """(rows,) tokens: where each row's draw falls on its cumulative distribution."""
        import torch

        probabilities = scores.softmax(-1)
        order = None
        if self.top_p < 1:
            probabilities, order = torch.sort(probabilities, dim=-1, descending=True, stable=True)
            before = probabilities.cumsum(-1) - probabilities
            probabilities = probabilities.masked_fill(before >= self.top_p, 0.0)  # never the first
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        last = probabilities.shape[-1] - 1 - (probabilities > 0).flip(-1).int().argmax(-1, keepdim=True)
        target = self.draws[:, step, None] * cumulative[:, -1:]
        place = torch.minimum(torch.searchsorted(cumulative, target, right=True), last)
        return place[:, 0] if order is None else order.gather(1, place)[:, 0]

    def _tokens_seen(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        if self._seen is None:
            width = self.mask.shape[1]
            self._seen = torch.zeros_like(scores, dtype=torch.bool)
            rows, columns = self.mask.nonzero(as_tuple=True)
            self._seen[rows, input_ids[:, :width][rows, columns]] = True
        else:
            self._seen.scatter_(1, input_ids[:, -1:], True)
        return self._seen
