"""Losses that compare a row with all others of the global batch, however that is split over forwards and processes.

Two passes, as GradCache does it (Gao et al. 2021). The first runs without gradient over all rows of an optimizer step,
gathers their states and gives the loss of every row and its derivative with respect to every state. The second is the
usual forward of each micro-batch, in which (state x derivative).sum() brings exactly that gradient to the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mpotrain.objective.state_losses import PAIR_NUMBERS, StateLoss


@dataclass(frozen=True, slots=True)
class BatchStates:
    """The states of rows for one loss, as the first pass measured them."""

    states: Mapping[str, Tensor]  # parameter -> (rows, d), on the CPU
    pair_numbers: list[int]
    shares: list[float]  # of each row in the loss; 0 for a filler, which is compared with nothing
    weights: list[float]  # each row's language weight

    @classmethod
    def joined(cls, parts: "Sequence[BatchStates]") -> "BatchStates":
        """All rows of `parts` in their order."""
        return cls(
            {name: torch.cat([part.states[name] for part in parts]) for name in parts[0].states},
            [number for part in parts for number in part.pair_numbers],
            [share for part in parts for share in part.shares],
            [weight for part in parts for weight in part.weights],
        )


@dataclass(frozen=True, slots=True)
class WholeBatchLoss:
    """What the first pass found for the rows of one micro-batch."""

    values: Tensor  # (rows,) each row's loss; 0 for a filler
    gradients: Mapping[str, Tensor]  # parameter -> (rows, d), derivative of the global batch's weighted sum

    def part(self, start: int, stop: int) -> "WholeBatchLoss":
        """Rows start .. stop - 1."""
        return WholeBatchLoss(
            self.values[start:stop], {name: value[start:stop] for name, value in self.gradients.items()}
        )

    def carry(self, states: Mapping[str, Tensor]) -> Tensor:
        """A scalar of value 0 whose gradient is the loss's, through the states (rows, d) of the second pass."""
        total = torch.stack([(states[name] * value.to(states[name])).sum() for name, value in self.gradients.items()])
        return total.sum() - total.sum().detach()


def whole_batch_loss(loss: StateLoss, rows: BatchStates, hyper: Mapping[str, Any]) -> WholeBatchLoss:
    """The loss of every row against all others, and the derivatives of sum(share x weight x loss)."""
    counted = torch.tensor([share > 0 for share in rows.shares])
    leaves = {name: state.detach().requires_grad_() for name, state in rows.states.items()}
    values = next(iter(leaves.values())).new_zeros(len(counted))
    if not counted.any():
        return WholeBatchLoss(values, {name: torch.zeros_like(leaf) for name, leaf in leaves.items()})
    factors = torch.tensor(rows.shares).mul(torch.tensor(rows.weights)).to(values)
    numbers = {PAIR_NUMBERS: torch.tensor(rows.pair_numbers)[counted]}
    with torch.enable_grad():
        of_rows = loss.function(**{name: leaf[counted] for name, leaf in leaves.items()}, **numbers, **hyper)
        gradients = torch.autograd.grad(of_rows @ factors[counted], list(leaves.values()))
    values[counted] = of_rows.detach()
    return WholeBatchLoss(values, dict(zip(leaves, gradients, strict=True)))
