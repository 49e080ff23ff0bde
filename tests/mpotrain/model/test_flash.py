"""Every version of torch's flash attention gives SDPA's numbers: stand-ins of each signature, on a CPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mpotrain.model import attention
from mpotrain.model.attention import FlashKernel, packed_attention
from mpotrain.model.batches import Spans, Tokens, pack
from tests.mpotrain.random_models import some_tokens


def varlen(
    query: Tensor, key: Tensor, value: Tensor, cu_q: Tensor, cu_k: Tensor, scale: float | None, left: int
) -> Tensor:
    """Causal attention of each stretch, aligned at the last key, over at most `left` earlier keys (-1: all)."""
    if query.shape[1] != key.shape[1]:
        raise RuntimeError("as many key heads as query heads are needed")
    parts = []
    for n in range(len(cu_q) - 1):
        q, k, v = query[cu_q[n] : cu_q[n + 1]], key[cu_k[n] : cu_k[n + 1]], value[cu_k[n] : cu_k[n + 1]]
        at = torch.arange(len(k) - len(q), len(k))[:, None] - torch.arange(len(k))
        seen = (at >= 0) & ((at <= left) if left >= 0 else True)
        scores = torch.einsum("qhd,khd->hqk", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
        parts.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v))
    return torch.cat(parts)


def torch_2_10(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None):
    return varlen(query, key, value, cu_seq_q, cu_seq_k, None, -1)


def torch_2_10_scaled(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None, scale=None
):
    assert is_causal
    return varlen(query, key, value, cu_seq_q, cu_seq_k, scale, -1)


def torch_2_11(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
):
    assert window_size[1] == 0
    return varlen(query, key, value, cu_seq_q, cu_seq_k, scale, window_size[0])


def torch_2_13(
    query,
    key,
    value,
    cu_seq_q,
    cu_seq_k,
    max_q,
    max_k,
    *,
    return_aux=None,
    scale=None,
    window_size=(-1, -1),
    enable_gqa=False,
):
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return torch_2_11(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, scale=scale, window_size=window_size)


VERSIONS = [torch_2_10, torch_2_10_scaled, torch_2_11, torch_2_13]


def spans() -> Spans:
    """Two answers that share a prompt, and a sequence of its own."""
    prompt = some_tokens(4)
    batch = pack([Tokens(prompt + some_tokens(n, seed=n), 4) for n in (3, 6)] + [Tokens(some_tokens(9, seed=1), 2)])
    assert batch.spans is not None
    assert batch.spans.keys is not None
    return batch.spans


def states(kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    length = spans().spans[-1].stop
    query, key, value = (torch.randn(1, heads, length, 8, dtype=torch.float64) for heads in (4, kv_heads, kv_heads))
    return query, key, value


def attended(kernel: FlashKernel | None, kv_heads: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Tensor:
    monkeypatch.setattr(attention, "_flash_kernel", lambda query: kernel)
    query, key, value = states(kv_heads)
    out, _ = packed_attention(torch.nn.Module(), query, key, value, None, spans=spans(), **options)
    return out


@pytest.mark.parametrize("scaling", [None, 0.2])
@pytest.mark.parametrize("window", [None, 5, 50])
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_signature_gives_sdpas_numbers(
    version: Callable[..., Tensor],
    kv_heads: int,
    window: int | None,
    scaling: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"scaling": scaling, "sliding_window": window}
    expected = attended(None, kv_heads, monkeypatch, **options)
    torch.testing.assert_close(attended(FlashKernel.of(version), kv_heads, monkeypatch, **options), expected)


def test_a_kernel_without_windows_is_not_asked_for_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = FlashKernel.of(torch_2_10_scaled), FlashKernel.of(torch_2_11)
    assert (old.computes(spans(), None), old.computes(spans(), 10), old.computes(spans(), 5)) == (True, True, False)
    assert new.computes(spans(), 5)


def test_a_kernel_that_can_mask_neither_way_is_never_used() -> None:
    assert not FlashKernel.of(lambda query, key, value, starts: query).computes(spans(), None)


def test_the_installed_torch_has_a_signature_that_is_understood() -> None:
    kernel = attention.installed_kernel()
    assert kernel is not None
    assert kernel.computes(spans(), 5)
