"""The second term of MPO: keep the dominant language where it is.

Pure functions beside `losses.py`; L = L1 + weight * L2 (eq. 9). Every term is 0 before the first step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from mpotrain.model.states import States


@dataclass(frozen=True, slots=True)
class Retention:
    """One way to hold the dominant language, and what a trainer must measure for it, on policy and reference alike."""

    name: str
    function: Callable[..., Tensor]
    needs: Literal["states", "token_log_probs"]
    states: States | None  # which states, where it needs some
    sequences: tuple[Literal["chosen", "rejected", "prompt"], ...]  # the dominant sequences it looks at, in this order


def authors(policy: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of mean-pooled states, as the authors' released code trains.

    Args: policy, reference: (batch, 2, d) last-layer states averaged over all tokens of dominant prompt + chosen and
    prompt + rejected. Returns: (batch,), mean over the 2 d numbers; about 1/d of eq. 8, and what the published
    hyper-parameters were tuned with. Deviation: padding is excluded; the released code pools it too.
    """
    return (policy - reference).square().flatten(1).mean(1)


def paper(policy: Tensor, reference: Tensor) -> Tensor:
    """Squared distance of the last prompt token's state: ||h^d - h^d_ref||^2 (Zhao et al. 2025, eq. 8).

    Args: policy, reference: (batch, 1, d). Returns: (batch,), summed over d.
    """
    return (policy - reference).square().flatten(1).sum(1)


def kl(policy: Tensor, reference: Tensor, owners: Tensor, count: int) -> Tensor:
    """KL(pi || pi_ref) on the dominant answers, in place of states (the paper's ablation, Table 4), nats per token.

    Args: policy, reference: (m,) log-probabilities of the dominant answers' tokens; owners: (m,) the row, 0 .. count -
    1, each belongs to. Returns: (count,), the mean over a row's tokens of exp(r) - r - 1 with r = log pi_ref - log pi:
    never negative, and unbiased under samples of pi (Schulman 2020, k3). Deviation: the paper does not say its
    estimator. Here it is biased: the chosen answers were sampled from pi_ref where the data are on-policy, the rejected
    ones are the dataset's own.
    """
    ratio = reference - policy
    total = policy.new_zeros(count).index_add(0, owners, ratio.expm1() - ratio)
    return total / owners.bincount(minlength=count).clamp(min=1)


def lens(policy: Tensor, reference: Tensor) -> Tensor:
    """Lens' own term: mean squared difference of the dominant prompt's mean-pooled states (Zhao et al. 2024, code).

    Args: policy, reference: (batch, 1, d). Returns: (batch,), mean over d. Deviation: padding is excluded.
    """
    return authors(policy, reference)


RETENTION = {
    "authors": Retention("authors", authors, "states", States("mean"), ("chosen", "rejected")),
    "paper": Retention("paper", paper, "states", States("last_prompt"), ("prompt",)),
    "lens": Retention("lens", lens, "states", States("mean"), ("prompt",)),
    "kl": Retention("kl", kl, "token_log_probs", None, ("chosen", "rejected")),
}
