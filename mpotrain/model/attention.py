"""Attention over packed sequences, as one more implementation in transformers' own table.

A model switched to it (`logprobs.attach`) hands every layer the batch's spans through its keyword arguments. Without
them - generation, evaluation, padded batches - it is transformers' SDPA, except that it knows Gemma-2's soft-capping.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from mpotrain.model.batches import Span, Spans

NAME = "packed"
FLASH_HEAD_SIZE = 256  # the largest that FlashAttention computes
FLASH_CAPABILITY = (8, 0)  # Ampere


@dataclass(frozen=True, slots=True)
class FlashKernel:
    """`varlen_attn` of torch (2.10 on), called by the keywords that its version takes."""

    function: Callable[..., Any]
    parameters: frozenset[str]  # names of its parameters: `window_size` from torch 2.11 on, `enable_gqa` from 2.13 on

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "FlashKernel":
        return cls(function, frozenset(inspect.signature(function).parameters))

    def computes(self, spans: Spans, window: int | None) -> bool:
        """Whether this version can mask these spans: causally, and within the sliding window where that is shorter."""
        if "window_size" in self.parameters:
            return True
        return "is_causal" in self.parameters and (window is None or spans.longest_key <= window)

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, spans: Spans, scaling: float | None, window: int | None
    ) -> Tensor:
        """query: (T, heads, d); key, value: (keys, kv heads, d). Returns (T, heads, d)."""
        options: dict[str, Any] = {}
        if "window_size" in self.parameters:
            options["window_size"] = (-1 if window is None else window - 1, 0)
        else:
            options["is_causal"] = True
        if "scale" in self.parameters:
            options["scale"] = scaling
        elif scaling is not None:
            query = query * (scaling * query.shape[-1] ** 0.5)
        groups = query.shape[1] // key.shape[1]
        if groups > 1 and "enable_gqa" in self.parameters:
            options["enable_gqa"] = True
        elif groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        starts = (spans.query_starts, spans.key_starts, spans.longest_query, spans.longest_key)
        out = self.function(query, key, value, *starts, **options)
        attended: Tensor = out[0] if isinstance(out, tuple) else out
        return attended


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    spans: Spans | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention of each span over its prefix and itself.

    query: (1, heads, T, d); key, value: (1, kv heads, T, d); returns (1, T, heads, d), as transformers' layers expect.
    """
    if spans is None:
        if softcap is not None:
            mask = _causal(query, key) if attention_mask is None else attention_mask
            return _capped(query, key, value, mask, scaling, softcap, dropout).transpose(1, 2), None
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    if softcap is None and not dropout and (kernel := _flash_kernel(query)) and kernel.computes(spans, sliding_window):
        return _flash(kernel, query, key, value, spans, scaling, sliding_window), None
    attend = partial(_attend, scaling=scaling, dropout=dropout, softcap=softcap, window=sliding_window)
    out = [attend(*own).transpose(1, 2) for own in _split(query, key, value, spans.spans)]
    return torch.cat(out, dim=1), None


def _split(query: Tensor, key: Tensor, value: Tensor, spans: tuple[Span, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Each span's queries, keys and values: no work between sequences, and no (T, T) mask.

    Split and not sliced: every slice of the whole would get a gradient as large as the whole.
    """
    lengths = [span.stop - span.start for span in spans]
    parts = zip(*(states.split(lengths, dim=2) for states in (query, key, value)), strict=True)  # type: ignore[no-untyped-call]
    stored: dict[int, tuple[Tensor, ...]] = {}  # by where a span starts: a prefix is the beginning of an earlier one
    for span, own in zip(spans, parts, strict=True):
        stored[span.start] = own
        if span.prefix is None:
            yield own
        else:
            start, stop = span.prefix
            yield (own[0], *(torch.cat([stored[start][at][:, :, : stop - start], own[at]], dim=2) for at in (1, 2)))


def _flash(
    kernel: FlashKernel,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    spans: Spans,
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """All spans in one kernel; it aligns its causal mask at the last key, as spans do."""
    queries, keys, values = (states[0].transpose(0, 1) for states in (query, key, value))
    if spans.keys is not None:
        keys, values = keys.index_select(0, spans.keys), values.index_select(0, spans.keys)
    return kernel(queries, keys, values, spans, scaling, window)[None]


def _flash_kernel(query: Tensor) -> FlashKernel | None:
    """The kernel for these queries: half precision on an Ampere or newer GPU, heads of at most 256; else None."""
    if not query.is_cuda or query.itemsize != 2 or query.shape[-1] > FLASH_HEAD_SIZE:
        return None
    return installed_kernel() if torch.cuda.get_device_capability(query.device) >= FLASH_CAPABILITY else None


@cache
def installed_kernel() -> FlashKernel | None:
    """The kernel of the installed torch; None before 2.10."""
    try:
        return FlashKernel.of(import_module("torch.nn.attention.varlen").varlen_attn)
    except ModuleNotFoundError:
        return None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    dropout: float,
    softcap: float | None,
    window: int | None,
) -> Tensor:
    """One span's queries (1, heads, q, d) over keys and values (1, kv heads, k, d), the last at the last."""
    if softcap is not None:
        return _capped(query, key, value, _causal(query, key, window), scaling, softcap, dropout)
    plain = query.shape[2] == key.shape[2] and (window is None or key.shape[2] <= window)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if plain else _causal(query, key, window),
        is_causal=plain,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _causal(query: Tensor, key: Tensor, window: int | None = None) -> Tensor:
    """(queries, keys), True = attend; the last query sees the last key."""
    asking, seen = query.shape[2], key.shape[2]
    at = torch.arange(seen - asking, seen, device=query.device)[:, None]
    distance = at - torch.arange(seen, device=query.device)
    return (distance >= 0) if window is None else (distance >= 0) & (distance < window)


def _capped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None, cap: float, dropout: float
) -> Tensor:
    """Attention with scores squashed to (-cap, cap), which SDPA cannot do (Gemma-2); `mask` True = attend."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.tanh(query @ key.transpose(2, 3) * (scale / cap)).to(torch.promote_types(query.dtype, torch.float32))
    # A finite minimum: a padding token sees nothing at all, and its row must not become NaN.
    weights = (scores * cap).masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return nn.functional.dropout(weights.to(query.dtype), dropout) @ value


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
