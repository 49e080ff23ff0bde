"""AdamW on 16-bit weights, each gradient applied and freed as soon as backward has computed it.

A parameter costs 8 bytes (weight, two moments, Kahan compensation, bfloat16 each), where float32 AdamW costs 16, and
only one parameter's gradient exists at a time: the 8 B models of the paper train in full on one 80 GB GPU. Kahan
summation carries what rounding cuts off an update over to the next one, so that a learning rate of 1e-7 moves weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mpodata.registry import require

BYTES = 8  # per trained parameter: weight, both moments and the compensation
STEP = torch.int32


class LayerwiseAdamW(torch.optim.Optimizer):
    """torch-optimi's AdamW with Kahan summation, called for one parameter at a time by backward's own hooks.

    `step()` has nothing left to do: it is there for the loop that calls it. Needs one backward per step.
    """

    def __init__(
        self, model: nn.Module, *, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        super().__init__(trained, {"lr": lr, "betas": betas, "eps": eps})
        optimi = require("optimi", package="torch-optimi", purpose="--bf16_weights", extra="bf16-weights")
        self._adamw: Callable[..., None] = optimi.adamw
        self._squares: list[Tensor] = []  # of each parameter's gradient, since `norm` was read
        for parameter in trained:
            parameter.register_post_accumulate_grad_hook(self._apply)  # type: ignore[no-untyped-call]

    def _apply(self, parameter: Tensor) -> None:
        """Apply and free `parameter`'s gradient."""
        if parameter.grad is None:
            return
        group, state = self.param_groups[0], self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0, dtype=STEP)
            state.update({name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq", "kahan_comp")})
        self._squares.append(torch.linalg.vector_norm(parameter.grad, dtype=torch.float32).square())
        with torch.no_grad():
            self._adamw(
                parameter,
                parameter.grad,
                state["exp_avg"],
                state["exp_avg_sq"],
                state["kahan_comp"],
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=0.0,
                eps=group["eps"],
                step=state["step"],
                kahan_sum=True,
                gradient_release=True,
            )
        parameter.grad = None

    def norm(self) -> float:
        """The norm of all gradients applied since this was last read."""
        squares, self._squares = self._squares, []
        return float(torch.stack(squares).sum().sqrt()) if squares else 0.0

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Nothing: every gradient was applied during backward."""

    def exact_weight(self, parameter: Tensor) -> Tensor:
        """The float32 weight that `parameter` and its compensation stand for."""
        compensation = self.state[parameter].get("kahan_comp")
        weight = parameter.detach().float()
        return weight if compensation is None else weight + compensation.float()
