"""The optimisation loop both models share: AdamW, warm-up, cosine, one log line now and then."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

log = logging.getLogger("pocket")


def optimise(model: nn.Module, losses: Iterable[Callable[[], Tensor]], steps: int, rate: float) -> None:
    """Take `steps` steps down the given losses. `rate` is the peak learning rate."""
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, steps))
    model.train()
    for step, compute in zip(range(steps), losses, strict=False):
        loss = compute()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == steps - 1:
            log.info("step %d of %d: loss %.4f", step, steps, loss.item())
    model.eval()


def _warm_cosine(step: int, steps: int, warm: int = 60) -> float:
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
