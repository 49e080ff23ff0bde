"""Log-probabilities of given tokens from last-layer states: the LM head without the full logits.

The head runs over segments of rows and is run again in backward, so that only one segment's logits exist at a time.
On a CPU, where the head of a small model is half of all work, the first segments' softmax is kept, up to a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SEGMENT_BYTES = {"cpu": 2**24, "cuda": 2**29}  # of float32 logits: within reach of caches, yet a fair matrix product
KEPT_BYTES = {"cpu": 2**28}  # of softmax weights kept for backward; what is beyond is computed again


@dataclass(frozen=True, slots=True)
class LogitShape:
    """How a model's logits follow from its head's output: scaled, then soft-capped."""

    vocabulary: int
    scale: float = 1.0
    softcap: float | None = None

    def apply(self, raw: Tensor) -> Tensor:
        """(rows, vocabulary) logits in float32 or wider."""
        logits = raw.to(torch.promote_types(raw.dtype, torch.float32))
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    @property
    def bends(self) -> bool:
        """Whether logits are anything but the head's output."""
        return self.scale != 1.0 or self.softcap is not None

    def slopes(self, logits: Tensor) -> Tensor:
        """(rows, vocabulary) d logit / d raw, from the logits."""
        inner = torch.ones_like(logits) if self.softcap is None else 1 - (logits / self.softcap).square()
        return inner * self.scale


def token_log_probs(head: nn.Module, states: Tensor, targets: Tensor, shape: LogitShape) -> Tensor:
    """log softmax(head(states))[targets]: (m, d), (m,) -> (m,) in float32 or wider.

    Goes through `head.__call__`, so that hooks which gather a sharded weight fire, once for all segments.
    """
    if len(targets) == 0:
        return states.new_zeros(0, dtype=torch.promote_types(states.dtype, torch.float32))
    usual, own = head.forward, head.__dict__.get("forward")
    # True for nn.Linear and sharded subclasses; False for quantised or LoRA layers, which override forward.
    plain = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward
    setattr(head, "forward", _linear(head) if plain else _any_head(usual))  # noqa: B010
    try:
        out: Tensor = head(states, targets, shape)
    finally:
        del head.forward
        if own is not None:
            setattr(head, "forward", own)  # noqa: B010
    return out


Scorer = Callable[[Tensor, Tensor, LogitShape], Tensor]


def _linear(head: Any) -> Scorer:
    def score(states: Tensor, targets: Tensor, shape: LogitShape) -> Tensor:
        kind = states.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else head.weight.dtype
        keep = KEPT_BYTES.get(kind, 0) if torch.is_grad_enabled() and not shape.bends else 0
        with torch.autocast(kind, enabled=False):
            out: Tensor = _TokenLogProbs.apply(  # type: ignore[no-untyped-call]
                states.to(dtype), head.weight, head.bias, targets, shape, keep
            )
        return out

    return score


def _any_head(head: Callable[[Tensor], Tensor]) -> Scorer:
    """For a head that is more than one matrix: autograd runs it again, segment by segment."""

    def one(states: Tensor, targets: Tensor, shape: LogitShape) -> Tensor:
        logits = shape.apply(head(states))
        return logits.gather(1, targets[:, None]).squeeze(1) - logits.logsumexp(1)

    def score(states: Tensor, targets: Tensor, shape: LogitShape) -> Tensor:
        parts = _segments(len(states), shape.vocabulary, states.device.type)
        return torch.cat([checkpoint(one, states[part], targets[part], shape, use_reentrant=False) for part in parts])

    return score


class _TokenLogProbs(torch.autograd.Function):
    """`states` (m, d) in the compute dtype, `weight` (v, d), `bias` (v,) or None, `targets` (m,) -> (m,).

    Keeps at most `keep` bytes of softmax for backward and computes the rest again.

    The gradient at the head's output is (onehot - p) for each row, times the row's incoming gradient. That factor is
    one number per row, so it goes onto (rows, d) matrices, and the one-hot part is a gather and a scatter of rows: the
    (rows, v) matrix p is only ever exponentiated and multiplied.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, shape: LogitShape, keep: int
    ) -> Tensor:
        matrix = weight.to(states.dtype)
        parts = _segments(len(states), len(weight), states.device.type)
        kept, out = [], []
        for part in parts:
            logits = shape.apply(_raw(states[part], matrix, bias))
            weights, norms, log_probs = _softmax(logits, targets[part], states.dtype)
            out.append(log_probs)
            keep -= weights.nbytes
            if keep >= 0:
                kept += [weights, norms]
        ctx.save_for_backward(states, weight, bias, targets, *kept)
        ctx.shape, ctx.parts = shape, parts
        return torch.cat(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, targets, *kept = ctx.saved_tensors
        wants_states, wants_matrix, wants_bias = ctx.needs_input_grad[:3]
        matrix = weight.to(states.dtype)
        columns = matrix.t().contiguous() if wants_states and _uses_onednn(states, matrix) else matrix.t()
        to_states = torch.empty_like(states) if wants_states else None
        to_matrix = torch.zeros_like(matrix) if wants_matrix else None
        to_bias = grads[0].new_zeros(len(weight)) if wants_bias else None
        for number, part in enumerate(ctx.parts):
            on_target, slopes = grads[0][part], None
            if 2 * number < len(kept):
                weights, norms = kept[2 * number : 2 * number + 2]
            else:
                logits = ctx.shape.apply(_raw(states[part], matrix, bias))
                slopes = ctx.shape.slopes(logits) if ctx.shape.bends else None
                weights, norms, _ = _softmax(logits, targets[part], states.dtype)
            on_all = on_target / norms
            if slopes is not None:
                weights = weights * slopes.to(weights.dtype)
                on_target = on_target * slopes.gather(1, targets[part, None]).squeeze(1)
            pull = on_target[:, None].to(states.dtype)
            push = -on_all[:, None].to(states.dtype)
            if to_states is not None:
                to_states[part] = torch.addcmul(matrix[targets[part]] * pull, _product(weights, columns), push)
            if to_matrix is not None:
                to_matrix.addmm_(weights.t(), states[part] * push)
                to_matrix.index_add_(0, targets[part], states[part] * pull)
            if to_bias is not None:
                to_bias.index_add_(0, targets[part], on_target).sub_(on_all @ weights.to(on_all.dtype))
        to_weight = None if to_matrix is None else to_matrix.to(weight.dtype)
        return to_states, to_weight, None if to_bias is None else to_bias.to(bias.dtype), None, None, None


def _segments(rows: int, vocabulary: int, device: str) -> list[slice]:
    step = max(1, SEGMENT_BYTES.get(device, SEGMENT_BYTES["cuda"]) // (4 * vocabulary))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _raw(states: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    raw = _product(states, matrix)
    return raw if bias is None else raw.add_(bias.to(states.dtype))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left (rows, k) @ right (columns, k).T; on a CPU by oneDNN, two to three times as fast as MKL on AMD's."""
    if _uses_onednn(left, right):
        out: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
        return out
    return left @ right.t()


def _uses_onednn(*matrices: Tensor) -> bool:
    """Are these float32 on a CPU, in a PyTorch that has oneDNN's matrix product (which `Linear` leaves to MKL)?"""
    here = all(matrix.device.type == "cpu" and matrix.dtype == torch.float32 for matrix in matrices)
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return here and built and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _softmax(logits: Tensor, targets: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """exp(logits - maximum) (rows, v) in `dtype`, its sums (rows,), the targets' log p (rows,); spends `logits`."""
    logits.sub_(logits.amax(1, keepdim=True))
    chosen = logits.gather(1, targets[:, None]).squeeze(1)
    norms = logits.exp_().sum(1)
    return logits.to(dtype), norms, chosen - norms.log()
