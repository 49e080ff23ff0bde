"""Every method's loss as a pure function of tensors, and the registry that names them.

Positional parameters name the quantities a loss needs; keyword-only ones are its hyper-parameters with defaults. The
trainer reads both from `LOSSES[name]` and computes only those quantities. A method with losses on states has a file of
its own beside this one and a line in `__init__.py`. Quantities are natural logarithms of response
probabilities under the row's own prompt, summed or averaged over response tokens (end-of-turn token included) as the
loss's `log_probs` says. In the formulas w = chosen, l = rejected, s = the logistic function, pi = policy, log_ratio =
log pi - log pi_ref.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor
from torch.nn.functional import logsigmoid, sigmoid

from mpodata.errors import ConfigError, UnknownName
from mpotrain.objective.state_losses import STATE_LOSSES, StateLoss

LogProbs = Literal["mean", "sum"]
RowSelection = Literal["paired", "all", "dominant"]


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a loss may ask for, each (batch,) unless said otherwise; None where it was not measured."""

    policy_chosen: Tensor | None = None  # log pi of the row's answers
    policy_rejected: Tensor | None = None
    reference_chosen: Tensor | None = None  # the same, measured before the first step
    reference_rejected: Tensor | None = None
    policy_gap: Tensor | None = None  # policy_chosen - policy_rejected: RG^t, eq. 6
    dominant_gap: Tensor | None = None  # the reference's gap on the row's dominant pair, or its stand-in: RG^d, eq. 7
    chosen_tokens: Tensor | None = None  # response tokens, as floats
    rejected_tokens: Tensor | None = None
    # (m,), no gradient: log_ratio of chosen and rejected answers under another row's prompt. With m = twice the rows of
    # the global batch, results do not depend on how that batch is split over processes and accumulation steps.
    mismatched: Tensor | None = None
    target_languages: Tensor | None = None  # how many target languages the run trains
    step: Tensor | None = None  # optimizer steps made so far
    state_losses: Mapping[str, Tensor] = field(default_factory=dict)  # losses on states by name (`state_losses.py`)

    def of(self, name: str) -> Tensor | None:
        """One quantity, a loss on states included; None where it was not measured."""
        value: Tensor | None = self.state_losses.get(name) if name in STATE_LOSSES else getattr(self, name)
        return value


QUANTITIES = tuple(field.name for field in fields(Quantities) if field.name != "state_losses")


@dataclass(frozen=True, slots=True)
class Loss:
    """One method: its function and what a trainer must know to feed it."""

    name: str  # what a user types
    function: Callable[..., Tensor]
    quantities: tuple[str, ...]  # its positional parameters, names of QUANTITIES and STATE_LOSSES
    log_probs: LogProbs  # how log-probabilities are reduced over response tokens
    hyper: Mapping[str, Any]  # its keyword-only parameters and their defaults, those of its losses on states included
    rows: (
        # "paired": target rows, each with its dominant side; "all": dominant rows train like target rows; "dominant":
        # dominant rows alone, each with the prompts of its targets
        RowSelection
    )
    mix: str | None = None  # the mix whose rows it trains on, where it cannot train on others
    retain: str | None = None  # the retention that belongs to it

    @property
    def state_losses(self) -> tuple[StateLoss, ...]:
        """The losses on states among its quantities."""
        return tuple(STATE_LOSSES[name] for name in self.quantities if name in STATE_LOSSES)

    @property
    def compares(self) -> bool:
        """Whether it looks at anything but the chosen answer, and so needs whole pairs."""
        return self.mix is None and not set(self.quantities) <= {"policy_chosen", "reference_chosen", "chosen_tokens"}

    def __call__(self, quantities: Quantities, **hyper: Any) -> Tensor:
        """(batch,) losses; takes what it needs of `quantities`.

        Raises UnknownName for a hyper-parameter it lacks, ValueError for a quantity that was not measured.
        """
        for name in hyper:
            if name not in self.hyper:
                raise UnknownName(f"hyper-parameter of {self.name}:", name, self.hyper)
        needed = {name: quantities.of(name) for name in self.quantities}
        if missing := [name for name, value in needed.items() if value is None]:
            raise ValueError(f"loss {self.name!r} needs {', '.join(missing)}, which was not measured")
        theirs = {name for part in self.state_losses for name in part.hyper}
        return self.function(*needed.values(), **{name: hyper[name] for name in hyper if name not in theirs})


LOSSES: dict[str, Loss] = {}


def loss(
    name: str,
    *,
    log_probs: LogProbs,
    rows: RowSelection = "all",
    mix: str | None = None,
    retain: str | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a function as the loss of method `name`; mix, retain: the rows and the retention that belong to it."""

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        parameters = inspect.signature(function).parameters.values()
        quantities = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        if unknown := set(quantities) - set(QUANTITIES) - set(STATE_LOSSES):
            raise ValueError(f"Loss {name!r} asks for {sorted(unknown)}, which no trainer measures: {QUANTITIES}")
        hyper = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        for part in (STATE_LOSSES[quantity] for quantity in quantities if quantity in STATE_LOSSES):
            if shared := set(hyper) & set(part.hyper):
                raise ValueError(f"Loss {name!r} and its part {part.name!r} both have {sorted(shared)}")
            hyper |= part.hyper
        LOSSES[name] = Loss(name, function, quantities, log_probs, MappingProxyType(hyper), rows, mix, retain)
        return function

    return register


@loss("mpo", log_probs="mean", rows="paired")
def mpo(policy_gap: Tensor, dominant_gap: Tensor, *, beta: float = 1.0) -> Tensor:
    """Pull the target language's reward gap to the frozen dominant one: (beta RG^t - RG^d)^2.

    Zhao et al. 2025 (arXiv 2505.16869), eq. 5; its gradient is eq. 10. Gaps in nats per token. 0 where they agree.
    """
    return (beta * policy_gap - dominant_gap).square()


@loss("sft", log_probs="mean")
def sft(policy_chosen: Tensor) -> Tensor:
    """Negative log-likelihood of the chosen answer: -avg log pi(w).

    Averaged per row, then over rows; TRL averages over the tokens of a batch, which weights long answers more.
    """
    return -policy_chosen


@loss("dpo", log_probs="sum")
def dpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float = 0.1,
) -> Tensor:
    """Direct preference optimization: -log s(beta (log_ratio_w - log_ratio_l)).

    Rafailov et al. 2023, eq. 7. ln 2 at the start.
    """
    return -logsigmoid(beta * _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected))


@loss("ipo", log_probs="mean")
def ipo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    tau: float = 0.1,
) -> Tensor:
    """Identity preference optimization: (log_ratio_w - log_ratio_l - 1 / (2 tau))^2. Azar et al. 2024, eq. 17.

    1 / (4 tau^2) at the start. Log-ratios per token, which the paper does not say and its authors confirmed to TRL.
    """
    margin = _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return (margin - 1 / (2 * tau)).square()


@loss("rdpo-robust", log_probs="sum")
def rdpo_robust(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float = 0.1,
    epsilon: float = 0.1,
) -> Tensor:
    """rDPO, DPO that expects a share `epsilon` of flipped preferences. Chowdhury et al. 2024, eq. 12.

    ((1 - epsilon) DPO(w, l) - epsilon DPO(l, w)) / (1 - 2 epsilon). ln 2 at the start. R-DPO is `rdpo-length`.
    """
    if not 0 <= epsilon < 0.5:
        raise ConfigError(f"rdpo-robust: epsilon must be in [0, 0.5), got {epsilon}.")
    margin = beta * _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return (-(1 - epsilon) * logsigmoid(margin) + epsilon * logsigmoid(-margin)) / (1 - 2 * epsilon)


@loss("rdpo-length", log_probs="sum")
def rdpo_length(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    chosen_tokens: Tensor,
    rejected_tokens: Tensor,
    *,
    beta: float = 0.1,
    alpha: float = 0.05,
) -> Tensor:
    """R-DPO, DPO with a price on length: -log s(beta (log_ratio_w - log_ratio_l) + alpha (|w| - |l|)).

    Park et al. 2024, eq. 9. ln 2 at the start where the two answers are equally long. rDPO is `rdpo-robust`.
    """
    margin = beta * _margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected)
    return -logsigmoid(margin + alpha * (chosen_tokens - rejected_tokens))


@loss("cpo", log_probs="sum")
def cpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    chosen_tokens: Tensor,
    *,
    beta: float = 0.1,
    weight: float = 1.0,
    normalise_nll: bool = True,
) -> Tensor:
    """Contrastive preference optimization. Xu et al. 2024, eq. 5.

    -log s(beta (log pi(w) - log pi(l))) - weight log pi(w). The likelihood term is per token, as the authors' and TRL's
    code have it; `normalise_nll=False` sums it, as the formula has it. Averaged per row, where TRL averages over the
    tokens of a batch.
    """
    likelihood = policy_chosen / chosen_tokens if normalise_nll else policy_chosen
    return -logsigmoid(beta * (policy_chosen - policy_rejected)) - weight * likelihood


@loss("kto", log_probs="sum")
def kto(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    mismatched: Tensor,
    *,
    beta: float = 0.1,
    chosen_weight: float = 1.0,
    rejected_weight: float = 1.0,
) -> Tensor:
    """Kahneman-Tversky optimization on pairs.

    (lw (1 - s(beta (log_ratio_w - z))) + ll (1 - s(beta (z - log_ratio_l)))) / 2, with lw and ll the weights.
    Ethayarajh et al. 2024, eqs. 7-8, whose constants are kept: MPO's Table 7 prints the rejected term with the opposite
    sign, under which it would grow likelier. z = max(0, mean of `mismatched`), without gradient: the paper's batch
    estimate of KL(pi || pi_ref) over mismatched chosen and rejected answers, here in nats before beta. Halved, so that
    it is the mean over the two answers as in TRL. 1/2 at the start with unit weights.
    """
    z = mismatched.detach().mean().clamp(min=0)
    chosen = 1 - sigmoid(beta * (policy_chosen - reference_chosen - z))
    rejected = 1 - sigmoid(beta * (z - (policy_rejected - reference_rejected)))
    return (chosen_weight * chosen + rejected_weight * rejected) / 2


@loss("orpo", log_probs="mean")
def orpo(policy_chosen: Tensor, policy_rejected: Tensor, *, weight: float = 0.1) -> Tensor:
    """Odds ratio preference optimization: -log p(w) - weight log s(log odds(w) - log odds(l)), p per token.

    Hong et al. 2024, eqs. 6-7; odds(y) = p / (1 - p). The likelihood term covers the answer only, as MPO's Table 7 has
    it; TRL's and the authors' code train the prompt's tokens too.
    """
    log_odds = (policy_chosen - policy_rejected) - (_log1mexp(policy_chosen) - _log1mexp(policy_rejected))
    return -policy_chosen - weight * logsigmoid(log_odds)


@loss("simpo", log_probs="mean")
def simpo(policy_chosen: Tensor, policy_rejected: Tensor, *, beta: float = 2.0, gamma: float = 1.0) -> Tensor:
    """Simple preference optimization: -log s(beta (avg_w - avg_l) - gamma). Meng et al. 2024, eq. 6."""
    return -logsigmoid(beta * (policy_chosen - policy_rejected) - gamma)


@loss("dpo-nll", log_probs="sum")
def dpo_nll(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    chosen_tokens: Tensor,
    *,
    beta: float = 0.1,
    weight: float = 1.0,
) -> Tensor:
    """DPO plus the chosen answer's likelihood: -log s(beta (log_ratio_w - log_ratio_l)) - weight log pi(w) / |w|.

    Pang et al. 2024, eq. 2; what LIDR (arXiv 2410.08964) and ICR (arXiv 2503.04647) train with.
    """
    preference = dpo(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=beta)
    return preference - weight * policy_chosen / chosen_tokens


def _margin(
    policy_chosen: Tensor, policy_rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor
) -> Tensor:
    """log_ratio_w - log_ratio_l."""
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def _log1mexp(log_p: Tensor) -> Tensor:
    """log(1 - exp(log_p)); expm1 keeps it exact near certainty, the clamp finite at it."""
    return (-log_p.clamp(max=-1e-7).expm1()).log()
