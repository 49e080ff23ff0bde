"""The rows of one micro-batch after their forward: the quantities of a loss, and the figures that are logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from torch import Tensor

from mpotrain.data import TrainingRow
from mpotrain.model.batches import Tokens
from mpotrain.objective.gap_target import ConstantGap, GapTarget, PolicyGap
from mpotrain.objective.losses import Loss, Quantities
from mpotrain.objective.reference import Reference


class Part(Enum):
    """The kinds of sequences that a row can contribute to a forward, in the order in which they are laid out."""

    CHOSEN = auto()
    REJECTED = auto()
    DOMINANT_CHOSEN = auto()
    DOMINANT_REJECTED = auto()
    DOMINANT_PROMPT = auto()


@dataclass(frozen=True, slots=True)
class TargetPrompt:
    """The prompt of a row's pair in one target language, for its state alone."""

    language: str


DOMINANT = {"chosen": Part.DOMINANT_CHOSEN, "rejected": Part.DOMINANT_REJECTED, "prompt": Part.DOMINANT_PROMPT}


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """One micro-batch, measured."""

    rows: Sequence[TrainingRow]
    parts: tuple[Part | TargetPrompt, ...]
    log_probs: Tensor  # (rows, parts) sums over response tokens, nats
    tokens: Tensor  # (rows, parts) response tokens
    reference: Reference
    mean: bool  # whether the method averages log-probabilities over response tokens
    gap_target: GapTarget | None
    mismatched: Tensor | None
    states: Tensor | None = None  # (rows, parts, d), where a loss asks for states

    def quantities(self, loss: Loss) -> Quantities:
        """Everything that `loss` asks for, each (rows,)."""
        asked = set(loss.quantities)
        chosen = self.policy(Part.CHOSEN) if Part.CHOSEN in self.parts else None
        rejected = self.policy(Part.REJECTED) if Part.REJECTED in self.parts else None
        return Quantities(
            policy_chosen=chosen,
            policy_rejected=rejected,
            reference_chosen=self._of_reference([r.chosen for r in self.rows]) if "reference_chosen" in asked else None,
            reference_rejected=(
                self._of_reference([r.rejected for r in self.rows]) if "reference_rejected" in asked else None
            ),
            policy_gap=None if chosen is None or rejected is None else chosen - rejected,
            dominant_gap=None if self.gap_target is None else self._dominant_gap(self.gap_target),
            chosen_tokens=self._tokens(Part.CHOSEN) if Part.CHOSEN in self.parts else None,
            rejected_tokens=self._tokens(Part.REJECTED) if Part.REJECTED in self.parts else None,
            mismatched=self.mismatched,
            prompt_states=self._prompt_states() if "prompt_states" in asked else None,
        )

    def policy(self, part: Part) -> Tensor:
        """(rows,) log pi of a part, as the method reduces it."""
        return self.per_token(part) if self.mean else self._sum(part)

    def per_token(self, part: Part) -> Tensor:
        """(rows,) log pi of a part, averaged over its response tokens."""
        return self._sum(part) / self._tokens(part)

    def metrics(self, quantities: Quantities, beta: float) -> dict[str, Tensor]:
        """TRL's names: rewards are beta (log pi - log pi_ref) where the method has a reference, else beta log pi."""
        metrics: dict[str, Tensor] = {}
        for name, part, reference in (
            ("chosen", Part.CHOSEN, quantities.reference_chosen),
            ("rejected", Part.REJECTED, quantities.reference_rejected),
        ):
            if part in self.parts:
                reward = self.policy(part) if reference is None else self.policy(part) - reference
                metrics[f"logps/{name}"] = self._sum(part)
                metrics[f"rewards/{name}"] = beta * reward
        if Part.CHOSEN in self.parts and Part.REJECTED in self.parts:
            margins = metrics["rewards/chosen"] - metrics["rewards/rejected"]
            metrics["rewards/margins"] = margins
            metrics["rewards/accuracies"] = (margins > 0).to(margins)
            metrics["reward_gap"] = self.per_token(Part.CHOSEN) - self.per_token(Part.REJECTED)
        return metrics

    def _prompt_states(self) -> Tensor:
        """(rows, L, d): of the row's own prompt, which its chosen answer follows, then of the target prompts."""
        if self.states is None:
            raise ValueError("the forward returned no states")
        targets = [number for number, part in enumerate(self.parts) if isinstance(part, TargetPrompt)]
        return self.states[:, [self.parts.index(Part.CHOSEN), *targets]]

    def _sum(self, part: Part) -> Tensor:
        return self.log_probs[:, self.parts.index(part)]

    def _tokens(self, part: Part) -> Tensor:
        return self.tokens[:, self.parts.index(part)].to(self.log_probs.dtype)

    def _of_reference(self, sequences: Sequence[Tokens]) -> Tensor:
        return self.log_probs.new_tensor(self.reference.log_probs(sequences, mean=self.mean))

    def _dominant_gap(self, target: GapTarget) -> Tensor:
        if isinstance(target, PolicyGap):
            gap = self.policy(Part.DOMINANT_CHOSEN) - self.policy(Part.DOMINANT_REJECTED)
            return gap.detach() if target.detached else gap
        if isinstance(target, ConstantGap):
            return self.log_probs.new_full((len(self.rows),), target.value)
        rows = [target.rows[row.pair_id] for row in self.rows]
        chosen, rejected = [row.chosen for row in rows], [row.rejected for row in rows]
        return self._of_reference(chosen) - self._of_reference(rejected)
