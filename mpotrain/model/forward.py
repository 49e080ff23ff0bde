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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mpodata.errors import ModelError
from mpotrain.model import attention
from mpotrain.model.batches import Batch
from mpotrain.model.extractor import NAME
from mpotrain.model.head import LogitShape, token_log_probs
from mpotrain.model.states import States, pooled


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """What one forward measured, per sequence of the batch in its order."""

    log_probs: Tensor  # (n,) sum of log pi over response tokens, float32 (float64 in float64); 0 where not scored
    tokens: Tensor  # (n,) response tokens, scored or not
    token_log_probs: Tensor  # (m,) the summands; `Batch.owners` says whose they are
    states: Mapping[States, Tensor]  # (n, d) for each request, in the dtype of log_probs


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
        def forward(*args: Any, batch: Batch | None = None, states: Sequence[States] = (), **kwargs: Any) -> Any:
            return own_forward(*args, **kwargs) if batch is None else _measure(model, batch, states)

        model.forward = forward
        model.__dict__["_measures"] = True
    return _can_pack(model)


def measure(model: nn.Module, batch: Batch, *, states: Sequence[States] = ()) -> ForwardResult:
    """One forward of `model`, wrapped or not, over `batch`; differentiable where gradients are enabled.

    states: what is wanted beside log-probabilities, several kinds at once. Where no sequence is scored and low layers
    alone are asked for, the forward ends a block above the highest of them. Raises ModelError for a layer it lacks.
    """
    tokens, sums, *measured = model(batch=batch, states=tuple(states))
    return ForwardResult(sums, batch.tokens, tokens, dict(zip(states, measured, strict=True)))


def _can_pack(model: Any) -> bool:
    if model.config._attn_implementation not in ("sdpa", "eager", attention.NAME):
        return False
    if not model._supports_attention_backend:
        return False
    model.set_attn_implementation(attention.NAME)
    return True


def _measure(model: Any, batch: Batch, states: Sequence[States]) -> tuple[Tensor, ...]:
    """What `measure` returns, as plain tensors: FSDP2, DDP and DeepSpeed look for them in the output."""
    config = model.config.get_text_config()
    depth = _depth(config.num_hidden_layers, batch, states)
    with _blocks(config, depth):
        out = _backbone(model, batch, every_layer=any(request.layer is not None for request in states))
    last = out.last_hidden_state.flatten(0, 1)
    tokens = token_log_probs(model.get_output_embeddings(), last[batch.predictors], batch.targets, _logit_shape(config))
    sums = tokens.new_zeros(len(batch)).index_add(0, batch.owners, tokens)
    measured = []
    for request in states:
        hidden = last if request.layer is None else out.hidden_states[request.layer].flatten(0, 1)
        hidden = hidden.detach() if request.detached else hidden
        of_sequences = pooled(hidden.to(tokens.dtype), batch, request.pooling)
        if request.extracted:
            extractor = model.get_submodule(NAME)
            of_sequences = extractor(of_sequences.to(extractor.weight.dtype)).to(tokens.dtype)
        measured.append(of_sequences)
    return (tokens, sums, *measured)


def _depth(blocks: int, batch: Batch, states: Sequence[States]) -> int:
    """How many blocks must run; one more than the highest layer asked for, since the last one's state is normed."""
    layers = [blocks if request.layer is None else request.layer for request in states]
    if max(layers, default=0) > blocks:
        raise ModelError(f"States of layer {max(layers)} were asked for, but the model has {blocks} layers.")
    if len(batch.predictors) or not layers:
        return blocks
    return min(max(layers) + 1, blocks)


@contextmanager
def _blocks(config: Any, depth: int) -> Iterator[None]:
    """Let a backbone run its first `depth` blocks; architectures that do not read their configuration run them all."""
    usual = config.num_hidden_layers
    config.num_hidden_layers = depth
    try:
        yield
    finally:
        config.num_hidden_layers = usual


def _backbone(model: Any, batch: Batch, *, every_layer: bool) -> Any:
    """The backbone's output: (rows, length, d) last-layer states, and where asked those before every block too."""
    given: dict[str, Any] = {"attention_mask": batch.attention_mask}
    if batch.attention_mask is None:
        # A ready 4-D mask keeps transformers from building its own (T, T) one; our attention reads the spans instead.
        given = {"attention_mask": batch.input_ids.new_zeros(1, 1, 1, 1), "spans": batch.spans}
    if every_layer:
        given["output_hidden_states"] = True
    return model.base_model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False, **given)


def _logit_shape(config: Any) -> LogitShape:
    """What the model's own forward does to its logits, under the names transformers' configurations give it."""
    scale = 1.0
    if getattr(config, "logit_scale", None) is not None:  # Cohere
        scale = config.logit_scale
    elif getattr(config, "logits_scaling", None) is not None:  # Granite divides
        scale = 1 / config.logits_scaling
    return LogitShape(config.vocab_size, scale, getattr(config, "final_logit_softcapping", None))
