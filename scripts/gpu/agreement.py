"""Packed and padded batches on a device against transformers' own forward on the CPU in float64, one by one."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from gpu.checks import Check
from mpotrain.model.batches import Tokens, pack, pad
from mpotrain.model.forward import attach, measure
from mpotrain.model.states import States

VOCABULARY = 503
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"tie_word_embeddings": True},
    "mistral": {"sliding_window": 24},
    "gemma2": {
        "sliding_window": 24, "query_pre_attn_scalar": 64, "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0,
    },
    "gemma3_text": {"sliding_window": 24, "query_pre_attn_scalar": 64},
}  # fmt: skip
LIMITS = {  # largest errors: nats per token, and relative ones of states and gradients
    torch.float32: {"log-probs": 1e-4, "states": 1e-4, "gradients": 1e-3},
    torch.bfloat16: {"log-probs": 0.02, "states": 0.01, "gradients": 0.04},
}
LAYOUTS = {"packed": pack, "padded": pad}
MEAN = States("mean")


def build(kind: str, dtype: torch.dtype) -> Any:
    """A random model of two layers with heads of 64, as FlashAttention computes them; the same weights in any dtype."""
    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "initializer_range": 0.1, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**(sizes | ARCHITECTURES[kind]))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    return model.to(torch.bfloat16).to(dtype).eval()  # weights that every format holds exactly


def sequences() -> list[Tokens]:
    """Two prompts with two answers each, a repeated sequence, one whose states alone are wanted; beyond any window."""
    draw = torch.Generator().manual_seed(0)

    def some(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(1, VOCABULARY, (count,), generator=draw).tolist())

    short, long = some(9), some(40)
    answered = [Tokens(prompt + some(n), len(prompt)) for prompt in (short, long) for n in (5, 61)]
    return [*answered, answered[0], Tokens(long + some(11), len(long), scored=False)]


def objective(sums: Tensor, states: Tensor) -> Tensor:
    """Something that every log-probability and every state takes part in."""
    weights = torch.linspace(-1, 1, len(sums), dtype=sums.dtype, device=sums.device)
    return weights @ sums / 50 + states.square().mean()


def one_by_one(model: nn.Module, batch: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
    """Sums of log-probabilities and mean states by the model's plain forward, each sequence alone."""
    sums, means = [], []
    for tokens in batch:
        out = model(input_ids=torch.tensor([tokens.input_ids]), output_hidden_states=True)
        log_probs = out.logits[0].log_softmax(-1)
        answer = range(tokens.prompt_length, len(tokens.input_ids)) if tokens.scored else ()
        sums.append(sum((log_probs[at - 1, tokens.input_ids[at]] for at in answer), start=log_probs.new_zeros(())))
        means.append(out.hidden_states[-1][0].mean(0))
    return torch.stack(sums), torch.stack(means)


def gradient(model: nn.Module, value: Tensor) -> Tensor:
    """All gradients as one float64 vector on the CPU."""
    model.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.double().cpu().flatten() for p in model.parameters() if p.grad is not None])


def errors(kind: str, dtype: torch.dtype, device: str) -> Iterator[tuple[str, str, float]]:
    """(layout, quantity, largest error) of one architecture in one number format."""
    batch = sequences()
    plain = build(kind, torch.float64)
    sums, means = one_by_one(plain, batch)
    expected = gradient(plain, objective(sums, means))
    for name, layout in LAYOUTS.items():
        model = build(kind, dtype).to(device)
        if not attach(model):
            raise RuntimeError(f"{kind} cannot be packed")
        measured = measure(model, layout(batch, device), states=[MEAN])
        tokens = measured.tokens.clamp(min=1).cpu()
        yield (
            name,
            "log-probs",
            float(((measured.log_probs.detach().double().cpu() - sums.detach()).abs() / tokens).max()),
        )
        yield (
            name,
            "states",
            float((measured.states[MEAN].detach().double().cpu() - means.detach()).norm() / means.detach().norm()),
        )
        found = gradient(model, objective(measured.log_probs, measured.states[MEAN]))
        yield name, "gradients", float((found - expected).norm() / expected.norm())


def run(device: str) -> Iterator[Check]:
    """Every architecture, number format, layout and quantity."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for kind in ARCHITECTURES:
        for dtype, limits in LIMITS.items():
            form = str(dtype).removeprefix("torch.")
            for layout, quantity, error in errors(kind, dtype, device):
                unit = "nats/token" if quantity == "log-probs" else "relative"
                yield Check("agreement", f"{kind} {form} {layout} {quantity}", error, unit, limits[quantity])
