"""From a method's name and switches to what must be measured, and from measurements to the loss of every row.

Every row of a micro-batch contributes the same kinds of sequences (`Part`) in the same order, so one forward's results
are a table: a line per row, a column per part.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mpotrain.data import TrainingRow, TrainingRows
from mpotrain.model.batches import Batch, Tokens
from mpotrain.model.forward import ForwardResult
from mpotrain.model.states import States
from mpotrain.objective.gap_target import GapTarget, PolicyGap, ReferenceGap, gap_target
from mpotrain.objective.losses import Loss
from mpotrain.objective.measured_rows import MeasuredRows
from mpotrain.objective.mismatch import mismatched_answers
from mpotrain.objective.parts import DOMINANT, Part, TargetPrompt
from mpotrain.objective.reference import Reference, ReferenceRequest
from mpotrain.objective.retention import Retention
from mpotrain.objective.state_terms import StateTerms
from mpotrain.objective.whole_batch import WholeBatchLoss


@dataclass(frozen=True, slots=True)
class RowLosses:
    """What one micro-batch gave."""

    losses: Tensor  # (rows,) with gradient, language weights included
    metrics: dict[str, Tensor]  # (rows,) each, detached; names as TRL's where it has one
    carried: Tensor | None = None  # a scalar of value 0, to be added: the gradient of losses over the whole batch


@dataclass(frozen=True)
class Objective:
    """The loss of a run: a method, its retention term and where the target gap comes from."""

    loss: Loss
    hyper: Mapping[str, Any]  # the loss's keywords
    data: TrainingRows
    retention: Retention | None = None
    retain_weight: float = 1.0
    gap: str = "dominant"  # or policy, policy-detached, a number, a language code
    mean: bool = True  # log-probabilities per token, else summed
    nll_weight: float = 0.0
    dominant_rows: bool = False  # train on the dominant side's rows too

    @cached_property
    def rows(self) -> tuple[TrainingRow, ...]:
        """The rows that are trained on."""
        if self.loss.rows == "dominant":
            return self.data.trained("dominant")
        return self.data.trained("all" if self.dominant_rows else "paired")

    @cached_property
    def target_prompts(self) -> Mapping[str, Mapping[str, Tokens]]:
        """pair_id -> target language -> prompt, for the losses that compare prompts; else empty. Raises DataError."""
        return self.data.prompts() if self.state_terms.all_prompts else {}

    @cached_property
    def state_terms(self) -> StateTerms:
        """The method's losses on states."""
        return StateTerms(self.loss.state_losses, self.hyper, self.data, self.sequence)

    @cached_property
    def gap_target(self) -> GapTarget | None:
        """Where RG^d comes from; None where the method has none. Raises DataError for a gap no row has."""
        return gap_target(self.gap, self.data) if "dominant_gap" in self.loss.quantities else None

    @cached_property
    def mismatched(self) -> Mapping[TrainingRow, tuple[Tokens, Tokens]]:
        """Every row's prompt with another row's answers, for the losses that look at them; else empty."""
        return mismatched_answers(self.rows) if "mismatched" in self.loss.quantities else {}

    @cached_property
    def states(self) -> tuple[States, ...]:
        """Which states a forward must return."""
        retained = [self.retention.states] if self.retention and self.retention.states else []
        return tuple(dict.fromkeys([*(part.states for part in self.state_terms.asked()), *retained]))

    @cached_property
    def parts(self) -> tuple[Part | TargetPrompt, ...]:
        """The kinds of sequences that every row contributes to a forward, in order."""
        asked = set(self.loss.quantities)
        needed: set[Part] = {DOMINANT[answer] for answer in self.retention.sequences} if self.retention else set()
        if asked & {"policy_chosen", "policy_gap"} or self.nll_weight:
            needed.add(Part.CHOSEN)
        if asked & {"policy_rejected", "policy_gap"}:
            needed.add(Part.REJECTED)
        if isinstance(self.gap_target, PolicyGap):
            needed |= {Part.DOMINANT_CHOSEN, Part.DOMINANT_REJECTED}
        needed |= self.state_terms.parts()
        if self.state_terms.all_prompts:
            needed.add(Part.CHOSEN)
        kinds = tuple(part for part in Part if part in needed)
        return (*kinds, *map(TargetPrompt, self.data.languages())) if self.target_prompts else kinds

    def sequences(self, rows: Sequence[TrainingRow]) -> list[Tokens]:
        """What one forward must encode: row after row, `parts` in each."""
        return [self.sequence(row, part) for row in rows for part in self.parts]

    def sequence(self, row: TrainingRow, part: Part | TargetPrompt) -> Tokens:
        """One of `row`'s sequences, its dominant side's and its pair's prompts included."""
        if isinstance(part, TargetPrompt):
            return self.target_prompts[row.pair_id][part.language]
        if part is Part.CHOSEN:
            return row.chosen
        if part is Part.REJECTED:
            return row.rejected
        if part is Part.PROMPT:
            return Tokens(row.chosen.prompt, row.chosen.prompt_length, scored=False)
        if part in (Part.SENTENCE, Part.DOMINANT_SENTENCE):
            return row.sentence(dominant=part is Part.DOMINANT_SENTENCE)
        return _dominant_part(self.data.dominant[row.pair_id], part, scored=self._dominant_is_scored)

    @property
    def _dominant_is_scored(self) -> bool:
        return isinstance(self.gap_target, PolicyGap) or self._retains_log_probs

    @property
    def _retains_log_probs(self) -> bool:
        return self.retention is not None and self.retention.needs == "token_log_probs"

    def wanted(self) -> Iterator[ReferenceRequest]:
        """What the reference must know of `rows`."""
        asked = set(self.loss.quantities)
        for row in self.rows:
            if "reference_chosen" in asked:
                yield ReferenceRequest(row.chosen)
            if "reference_rejected" in asked:
                yield ReferenceRequest(row.rejected)
            if isinstance(self.gap_target, ReferenceGap):
                yield ReferenceRequest(self.gap_target.rows[row.pair_id].chosen)
                yield ReferenceRequest(self.gap_target.rows[row.pair_id].rejected)
            for sequence in self.mismatched.get(row, ()):
                yield ReferenceRequest(sequence)
            for sequence in self._retained([row]):
                kept = self.retention.states if self.retention else None
                yield ReferenceRequest(sequence, (kept,) if kept else (), per_token=kept is None)
            yield from self.state_terms.wanted(row)

    def _retained(self, rows: Sequence[TrainingRow]) -> list[Tokens]:
        """The dominant sequences that the retention term looks at, row after row."""
        if self.retention is None:
            return []
        return [
            _dominant_part(self.data.dominant[row.pair_id], DOMINANT[answer], scored=self._retains_log_probs)
            for row in rows
            for answer in self.retention.sequences
        ]

    def __call__(
        self,
        rows: Sequence[TrainingRow],
        batch: Batch,
        forward: ForwardResult,
        reference: Reference,
        mismatched: Tensor | None = None,
        whole_batch: Mapping[str, WholeBatchLoss] | None = None,
        step: int = 0,
    ) -> RowLosses:
        """The losses of `rows`, whose `sequences` are `batch` and came out of the forward as `forward`.

        `mismatched`: log-ratios of the mismatched answers of the whole global batch, for the losses that ask for them.
        `whole_batch`: what the first pass found for `rows`, by the names of the losses over the whole batch.
        `step`: optimizer steps made so far.
        """
        measured = MeasuredRows(
            rows=rows,
            parts=self.parts,
            log_probs=forward.log_probs.view(len(rows), -1),
            tokens=forward.tokens.view(len(rows), -1),
            reference=reference,
            mean=self.mean,
            gap_target=self.gap_target,
            mismatched=mismatched,
            states={kind: states.view(len(rows), len(self.parts), -1) for kind, states in forward.states.items()},
            step=step,
        )
        of_states = self.state_terms.values(measured, whole_batch or {})
        quantities = measured.quantities(self.loss, of_states, len(self.data.languages()))
        method = self.loss(quantities, **self.hyper)
        total = method
        terms = dict(of_states)
        if self.retention is not None:
            retained = self._retention(self.retention, rows, batch, forward, reference)
            total = total + self.retain_weight * retained
            terms |= {"L1": method, "L2": retained}
        if self.nll_weight:
            terms["nll"] = -measured.per_token(Part.CHOSEN)
            total = total + self.nll_weight * terms["nll"]
        weights = total.new_tensor([row.weight for row in rows])
        metrics = {**terms, **measured.metrics(quantities, self.hyper.get("beta", 1.0))}
        carried = self.state_terms.carried(measured, whole_batch or {})
        return RowLosses(total * weights, {name: value.detach() for name, value in metrics.items()}, carried)

    def _retention(
        self,
        retention: Retention,
        rows: Sequence[TrainingRow],
        batch: Batch,
        forward: ForwardResult,
        reference: Reference,
    ) -> Tensor:
        columns = [self.parts.index(DOMINANT[answer]) for answer in retention.sequences]
        sequences = self._retained(rows)
        if retention.states is not None:
            policy = forward.states[retention.states].view(len(rows), len(self.parts), -1)[:, columns]
            kept = reference.states(sequences, retention.states).to(policy)
            return retention.function(policy, kept.view_as(policy))
        row_of, column_of = batch.owners // len(self.parts), batch.owners % len(self.parts)
        ours = torch.isin(column_of, batch.owners.new_tensor(columns))
        policy = forward.token_log_probs[ours]
        return retention.function(policy, reference.token_log_probs(sequences).to(policy), row_of[ours], len(rows))


def _dominant_part(row: TrainingRow, part: Part, *, scored: bool) -> Tokens:
    """One of a dominant row's sequences: with its chosen or rejected answer, or the prompt alone."""
    if part is Part.DOMINANT_PROMPT:
        return Tokens(row.chosen.prompt, row.chosen.prompt_length, scored=False)
    sequence = row.chosen if part is Part.DOMINANT_CHOSEN else row.rejected
    return Tokens(sequence.input_ids, sequence.prompt_length, scored=scored)
