"""The rows of one micro-batch after their forward: the quantities of a loss, and the figures that are logged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from mpotrain.data import TrainingRow
from mpotrain.model.batches import Tokens
from mpotrain.model.states import States
from mpotrain.objective.gap_target import ConstantGap, GapTarget, PolicyGap
from mpotrain.objective.losses import Loss, Quantities
from mpotrain.objective.parts import AllPrompts, Part, TargetPrompt
from mpotrain.objective.reference import Reference


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
    states: Mapping[States, Tensor] = field(default_factory=dict)  # request -> (rows, parts, d)
    step: int = 0  # optimizer steps made so far

    def quantities(self, loss: Loss, state_losses: Mapping[str, Tensor], target_languages: int) -> Quantities:
        """Everything that `loss` asks for, each (rows,); `state_losses`: those of its losses on states."""
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
            target_languages=self.log_probs.new_full((len(self.rows),), target_languages),
            step=self.log_probs.new_full((len(self.rows),), self.step),
            state_losses=state_losses,
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

    def states_of(self, part: Part | AllPrompts, request: States) -> Tensor:
        """(rows, d) states of a part; of all prompts (rows, languages, d), as `AllPrompts` orders them."""
        if isinstance(part, Part):
            return self.states[request][:, self.parts.index(part)]
        targets = [number for number, kind in enumerate(self.parts) if isinstance(kind, TargetPrompt)]
        return self.states[request][:, [self.parts.index(Part.CHOSEN), *targets]]

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
