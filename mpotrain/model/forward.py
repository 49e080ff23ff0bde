"""Response log-probabilities and hidden states of a batch, without ever holding the full logits.

How to call it under any launch mode:

    can_pack = attach(model)             once, on the bare PreTrainedModel, before PEFT, DDP, FSDP2 or DeepSpeed wrap it
    measured = measure(wrapped, batch)   `wrapped` is whatever the training step has in hand

`attach` teaches the model's own `forward` two more keywords, so that every call goes through the wrapper's forward and
all its hooks (gathering, gradient reduction, autocast) fire; without them the forward is the model's own. Call
`measure` ONCE per micro-batch, with target and dominant sequences in one batch (`Tokens.scored=False` for those whose
states alone are wanted): two forwards before one backward trouble DDP, and one packed forward is faster.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mpodata.errors import ModelError
from mpotrain.model import attention
from mpotrain.model.batches import Batch
from mpotrain.model.head import LogitShape, token_log_probs

States = Literal["mean", "last_prompt"]


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """What one forward measured, per sequence of the batch in its order."""

    log_probs: Tensor  # (n,) sum of log pi over response tokens, float32 (float64 in float64); 0 where not scored
    tokens: Tensor  # (n,) response tokens, scored or not
    token_log_probs: Tensor  # (m,) the summands; `Batch.owners` says whose they are
    states: Tensor | None  # (n, d) last-layer states, after the final norm, in the dtype of log_probs


def attach(model: nn.Module) -> bool:
    """Teach `model`, a bare causal LM of transformers, to measure. True where it also reads packed batches, else `pad`.

    A model packs where its attention is transformers' SDPA or eager and its layers pass keywords on to it; then its
    attention becomes ours (the same numbers). Raises ModelError for a model without an output head.
    """
    if model.get_output_embeddings() is None:  # type: ignore[operator]
        raise ModelError(f"{type(model).__name__} has no language-model head: load it with AutoModelForCausalLM.")
    if "_measures" not in model.__dict__:
        own_forward = model.forward

        @functools.wraps(own_forward)  # keeps the signature that Trainer and generate() inspect
        def forward(*args: Any, batch: Batch | None = None, states: States | None = None, **kwargs: Any) -> Any:
            return own_forward(*args, **kwargs) if batch is None else _measure(model, batch, states)

        model.forward = forward
        model.__dict__["_measures"] = True
    return _can_pack(model)


def measure(model: nn.Module, batch: Batch, *, states: States | None = None) -> ForwardResult:
    """One forward of `model`, wrapped or not, over `batch`; differentiable where gradients are enabled.

    states: "mean" over all of a sequence's tokens, or the state at the prompt's "last_prompt" token.
    """
    tokens, sums, pooled = model(batch=batch, states=states)
    return ForwardResult(sums, batch.tokens, tokens, pooled if states else None)


def _can_pack(model: Any) -> bool:
    if model.config._attn_implementation not in ("sdpa", "eager", attention.NAME):
        return False
    if not model._supports_attention_backend:
        return False
    model.set_attn_implementation(attention.NAME)
    return True


def _measure(model: Any, batch: Batch, states: States | None) -> tuple[Tensor, Tensor, Tensor]:
    """What `measure` returns, as plain tensors: FSDP2, DDP and DeepSpeed look for them in the output."""
    hidden = _backbone(model, batch).flatten(0, 1)
    tokens = token_log_probs(
        model.get_output_embeddings(),
        hidden[batch.predictors],
        batch.targets,
        _logit_shape(model.config.get_text_config()),
    )
    sums = tokens.new_zeros(len(batch)).index_add(0, batch.owners, tokens)
    if states is None:
        return tokens, sums, tokens.new_zeros(0)
    if states == "last_prompt":
        return tokens, sums, hidden[batch.last_prompt].to(tokens.dtype)
    return tokens, sums, _means(batch, hidden.to(tokens.dtype))


def _backbone(model: Any, batch: Batch) -> Tensor:
    """(rows, length, d) last-layer states."""
    given: dict[str, Any] = {"attention_mask": batch.attention_mask}
    if batch.attention_mask is None:
        # A ready 4-D mask keeps transformers from building its own (T, T) one; our attention reads the spans instead.
        given = {"attention_mask": batch.input_ids.new_zeros(1, 1, 1, 1), "spans": batch.spans}
    out = model.base_model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False, **given)
    hidden: Tensor = out.last_hidden_state
    return hidden


def _means(batch: Batch, hidden: Tensor) -> Tensor:
    """(n, d) averages over each sequence's tokens: one matrix product, whatever the layout and what is shared."""
    lengths = batch.starts.diff()
    owners = torch.arange(len(batch), device=hidden.device).repeat_interleave(lengths)
    weights = hidden.new_zeros(len(batch), len(hidden))
    weights[owners, batch.places] = 1 / lengths.to(hidden.dtype)[owners]
    return weights @ hidden


def _logit_shape(config: Any) -> LogitShape:
    """What the model's own forward does to its logits, under the names transformers' configurations give it."""
    scale = 1.0
    if getattr(config, "logit_scale", None) is not None:  # Cohere
        scale = config.logit_scale
    elif getattr(config, "logits_scaling", None) is not None:  # Granite divides
        scale = 1 / config.logits_scaling
    return LogitShape(config.vocab_size, scale, getattr(config, "final_logit_softcapping", None))
