"""What the policy says before its first step, measured once with the policy itself and kept.

There is no reference model: one pass over the sequences a method needs, before training, under whatever wrapper the
launch mode put around the policy. A measurement is found again by what it depends on: the weights, the number format
and the token ids, which already hold the chat template, the text and the truncation.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from mpodata.errors import ModelError
from mpodata.runtime.journal import Journal, result_key
from mpodata.runtime.progress import Progress, Silent
from mpotrain.model.batches import Batch, Tokens
from mpotrain.model.forward import measure
from mpotrain.model.states import States, names

Part = TypeVar("Part", float, Tensor)

TASK = "reference/1"  # bump when a measurement would come out differently

Key = tuple[tuple[int, ...], int]  # token ids and the prompt's length
Layout = Callable[[Sequence[Tokens]], Batch]


@dataclass(frozen=True, slots=True)
class ReferenceRequest:
    """One sequence the reference must know, and what of it; its log-probability where `tokens.scored`."""

    tokens: Tokens
    states: tuple[States, ...] = ()
    per_token: bool = False

    @property
    def key(self) -> Key:
        return (self.tokens.input_ids, self.tokens.prompt_length)

    def content(self) -> list[Any]:
        """What its cache key is made of, beside the policy's identity."""
        states = ",".join(names(self.states)) or None
        return [*self.tokens.input_ids, self.tokens.prompt_length, self.tokens.scored, states, self.per_token]

    def merged(self, other: "ReferenceRequest") -> "ReferenceRequest":
        """The same sequence, wanted for both ends: it is encoded once."""
        scored = self.tokens.scored or other.tokens.scored
        return ReferenceRequest(
            Tokens(self.tokens.input_ids, self.tokens.prompt_length, scored),
            (*self.states, *other.states),
            self.per_token or other.per_token,
        )


@dataclass(frozen=True, slots=True)
class Value:
    """One sequence, measured."""

    log_prob: float | None  # sum over response tokens, nats
    token_log_probs: Tensor | None  # (response tokens,)
    states: Mapping[str, Tensor]  # name of a request -> (d,)

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it, without the states' names: the key of its entry holds those."""
        states = torch.cat([self.states[name] for name in sorted(self.states)]) if self.states else None
        return {"log_prob": self.log_prob, "tokens": _text(self.token_log_probs), "state": _text(states)}

    @classmethod
    def from_json(cls, record: dict[str, Any], states: Iterable[States]) -> "Value":
        kinds, measured = names(states), _tensor(record["state"])
        by_name = {} if measured is None else dict(zip(kinds, measured.view(len(kinds), -1), strict=True))
        return cls(record["log_prob"], _tensor(record["tokens"]), by_name)


class Reference:
    """Measurements by sequence; a KeyError here is a bug of the caller, which must have wanted them."""

    def __init__(self, values: Mapping[Key, Value]) -> None:
        self._values = dict(values)

    def __len__(self) -> int:
        return len(self._values)

    def log_probs(self, sequences: Sequence[Tokens], *, mean: bool) -> list[float]:
        """log pi_ref of each response, summed or averaged over its tokens."""
        return [_there(self._of(s).log_prob) / (len(s.input_ids) - s.prompt_length if mean else 1) for s in sequences]

    def states(self, sequences: Sequence[Tokens], request: States) -> Tensor:
        """(n, d) states of each sequence, of the kind asked for."""
        return torch.stack([self._of(s).states[request.name] for s in sequences])

    def token_log_probs(self, sequences: Sequence[Tokens]) -> Tensor:
        """(m,) log pi_ref of every response token, sequence after sequence."""
        return torch.cat([_there(self._of(s).token_log_probs) for s in sequences])

    def _of(self, sequence: Tokens) -> Value:
        return self._values[sequence.input_ids, sequence.prompt_length]


def measure_reference(
    model: nn.Module,
    wanted: Iterable[ReferenceRequest],
    layout: Layout,
    *,
    identity: dict[str, Any],
    journal: Journal | None,
    rank: int = 0,
    processes: int = 1,
    batch_tokens: int = 8192,
    started: bool = False,
    progress: Progress | None = None,
) -> Reference:
    """Measure what the journal does not know yet; every process must call this with the same `wanted`.

    identity: what the numbers depend on beside the sequences (weights, dtype). Only process 0 touches the journal, and
    every round of batches is recorded as it ends. `started`: the policy has trained already (a resumed run), so what is
    not known cannot be measured any more: ModelError.
    """
    merged: dict[Key, ReferenceRequest] = {}
    for request in wanted:
        merged[request.key] = request.merged(merged[request.key]) if request.key in merged else request
    todo = list(merged.values())
    keys = [result_key(TASK, identity, request.content()) for request in todo]
    cached = journal.lookup(keys) if journal is not None and rank == 0 else {}
    if processes > 1:
        cached = broadcast_object_list([cached])[0]
    values = {
        request.key: Value.from_json(cached[key], request.states)
        for request, key in zip(todo, keys, strict=True)
        if key in cached
    }
    missing = [number for number, request in enumerate(todo) if request.key not in values]
    if missing and started:
        raise ModelError(
            f"{len(missing)} of {len(todo)} reference measurements of this run are no longer in the cache, and the "
            "policy has moved since: restore $MPODATA_CACHE, or start the run again in a new folder."
        )
    training = model.training
    model.eval()
    batches = _batches(missing, todo, batch_tokens)
    rounds = [batches[start : start + processes] for start in range(0, len(batches), processes)]
    watched = (progress or Silent()).over(rounds, "reference pass", len(batches), unit="batch") if rounds else ()
    for round_ in watched:
        mine = round_[rank % len(round_)]  # sharded models need every process in every forward
        measured = _measured(model, [todo[number] for number in mine], layout)
        fresh = list(zip(mine, measured, strict=True)) if rank < len(round_) else []
        if processes > 1:
            fresh = gather_object(fresh)
        for number, record in fresh:
            values[todo[number].key] = Value.from_json(record, todo[number].states)
        if journal is not None and rank == 0:
            journal.record({keys[number]: record for number, record in fresh})
    model.train(training)
    return Reference(values)


def _measured(model: nn.Module, wanted: Sequence[ReferenceRequest], layout: Layout) -> list[dict[str, Any]]:
    """One forward; all of `wanted` ask for the same kinds of states."""
    batch = layout([request.tokens for request in wanted])
    kinds = {request.name: request for request in wanted[0].states}
    with torch.no_grad():
        measured = measure(model, batch, states=tuple(kinds.values()))
    per_sequence = torch.split(measured.token_log_probs, batch.owners.bincount(minlength=len(batch)).tolist())
    return [
        Value(
            log_prob if request.tokens.scored else None,
            per_sequence[number] if request.per_token else None,
            {name: measured.states[kind][number] for name, kind in kinds.items()},
        ).to_json()
        for number, (request, log_prob) in enumerate(zip(wanted, measured.log_probs.tolist(), strict=True))
    ]


def _batches(missing: Sequence[int], todo: Sequence[ReferenceRequest], batch_tokens: int) -> list[list[int]]:
    """Numbers of sequences that are measured together: same states, neighbours in length, within the budget."""
    order = sorted(missing, key=lambda n: (names(todo[n].states), -len(todo[n].tokens.input_ids), n))
    batches: list[list[int]] = []
    room, kinds = 0, [""]
    for number in order:
        length, states = len(todo[number].tokens.input_ids), names(todo[number].states)
        if not batches or length > room or states != kinds:
            batches.append([])
            room, kinds = max(batch_tokens, length), states
        batches[-1].append(number)
        room -= length
    return batches


def _text(values: Tensor | None) -> str | None:
    if values is None:
        return None
    return base64.b64encode(values.detach().to(torch.float32).cpu().numpy().astype("<f4").tobytes()).decode()


def _tensor(text: str | None) -> Tensor | None:
    return None if text is None else torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype="<f4").copy())


def _there(value: Part | None) -> Part:
    if value is None:
        raise KeyError("measured without what is asked of it now")
    return value
