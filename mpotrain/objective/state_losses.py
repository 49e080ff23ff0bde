"""The registry of losses on hidden states, which methods name among their quantities.

Beside `losses.py`: a loss on states is a pure function of tensors too. Its positional parameters are states, each with
the sequence and the layer it is read from (`states=`), and constants made of the reference's states (`constants=`);
keyword-only ones are hyper-parameters. A method whose positional parameter bears the name of such a loss gets its
values, (batch,), and its hyper-parameters.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor

from mpotrain.model.states import States
from mpotrain.objective.parts import AllPrompts, Part

PAIR_NUMBERS = "pair_numbers"  # (rows,) equal where rows belong to one pair; for losses of the whole batch


@dataclass(frozen=True, slots=True)
class PartStates:
    """Where one parameter of a loss on states comes from."""

    part: Part | AllPrompts  # (batch, d) of a sequence; AllPrompts: (batch, languages, d)
    states: States
    reference: bool = False  # measured with the reference, not with the policy


@dataclass(frozen=True, slots=True)
class Constants:
    """What a loss needs of the reference's states over all rows, computed once."""

    states: States  # measured with the reference at the prompts of every language
    # (mean state of every language, the dominant language) -> parameter -> value, or language -> value of its rows
    made_of: Callable[[Mapping[str, Tensor], str], Mapping[str, Tensor | Mapping[str, Tensor]]]


@dataclass(frozen=True, slots=True)
class StateLoss:
    """One loss on states."""

    name: str
    function: Callable[..., Tensor]
    states: Mapping[str, PartStates]  # parameter -> where it comes from
    constants: Constants | None
    parameters: tuple[str, ...]  # positional: those of `states`, then constants and pair numbers
    hyper: Mapping[str, Any]
    whole_batch: bool  # whether rows are compared with all others of the global batch, however it is split


STATE_LOSSES: dict[str, StateLoss] = {}


def state_loss(
    name: str, *, states: Mapping[str, PartStates], constants: Constants | None = None, whole_batch: bool = False
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a function as the loss `name` on states.

    whole_batch: the function sees all rows of the global batch, and their `pair_numbers`. A method adds such a loss
    with weight 1, because its gradient is computed before the method's other quantities are known.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        parameters = inspect.signature(function).parameters.values()
        hyper = MappingProxyType({p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY})
        taken = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        if missing := set(states) - set(taken):
            raise ValueError(f"Loss {name!r} on states has no parameter {sorted(missing)}")
        STATE_LOSSES[name] = StateLoss(
            name, function, MappingProxyType(dict(states)), constants, taken, hyper, whole_batch
        )
        return function

    return register
