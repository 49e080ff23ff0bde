"""From a method's name and switches to what must be measured, and from measurements to the loss of every row.

Every row of a micro-batch contributes the same kinds of sequences in the same order, so one forward's results are a
table: a line per row, a column per kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from mpodata.errors import DataError
from mpotrain.data import TrainingRow, TrainingRows
from mpotrain.model.batches import Batch, Tokens
from mpotrain.model.forward import ForwardResult, States
from mpotrain.objective.losses import Loss
from mpotrain.objective.reference import Reference, ReferenceRequest
from mpotrain.objective.retention import Retention

Kind = Literal["chosen", "rejected", "dominant chosen", "dominant rejected", "dominant prompt"]


@dataclass(frozen=True, slots=True)
class RowLosses:
    """What one micro-batch gave."""

    losses: Tensor  # (rows,) with gradient, language weights included
    metrics: dict[str, Tensor]  # (rows,) each, detached; names as TRL's where it has one


class Objective:
    """The loss of a run: a method, its retention term and where the target gap comes from."""

    def __init__(
        self,
        loss: Loss,
        hyper: Mapping[str, Any],
        rows: TrainingRows,
        *,
        retention: Retention | None = None,
        retain_weight: float = 1.0,
        gap: str = "dominant",
        mean: bool = True,
        nll_weight: float = 0.0,
        dominant_rows: bool = False,
    ) -> None:
        """`gap`: `dominant`, `policy`, a number or a language code. `mean`: log-probs per token, else summed."""
        self.loss = loss
        self.hyper = dict(hyper)
        self.retention = retention
        self.retain_weight = retain_weight
        self.mean = mean
        self.nll_weight = nll_weight
        self.rows = rows.trained("all" if dominant_rows else "paired")
        self.dominant = rows.dominant
        self.gap_rows, self.constant_gap = _gap_source(gap, rows) if "dominant_gap" in loss.quantities else ({}, None)
        self.policy_gap_target = gap == "policy" and "dominant_gap" in loss.quantities
        self.kinds = self._kinds()
        self.mismatched = _mismatched(self.rows) if "mismatched" in loss.quantities else {}

    @property
    def states(self) -> States | None:
        """Which states a forward must return."""
        return self.retention.states if self.retention else None

    def _kinds(self) -> tuple[Kind, ...]:
        asked = set(self.loss.quantities)
        kinds: list[Kind] = []
        if asked & {"policy_chosen", "policy_gap"} or self.nll_weight:
            kinds.append("chosen")
        if asked & {"policy_rejected", "policy_gap"}:
            kinds.append("rejected")
        dominant = set(self.retention.sequences if self.retention else ())
        if self.policy_gap_target:
            dominant |= {"chosen", "rejected"}
        ordered: tuple[Kind, ...] = ("dominant chosen", "dominant rejected", "dominant prompt")
        return (*kinds, *(kind for kind in ordered if kind.removeprefix("dominant ") in dominant))

    def sequences(self, rows: Sequence[TrainingRow]) -> list[Tokens]:
        """What one forward must encode: row after row, `kinds` in each."""
        return [self.sequence(row, kind) for row in rows for kind in self.kinds]

    def sequence(self, row: TrainingRow, kind: str) -> Tokens:
        """One of `row`'s sequences, its dominant side's included."""
        if kind == "chosen":
            return row.chosen
        if kind == "rejected":
            return row.rejected
        scored = self.policy_gap_target or (self.retention is not None and self.retention.needs == "token_log_probs")
        return _part(self.dominant[row.pair_id], kind.removeprefix("dominant "), scored)

    def wanted(self) -> Iterator[ReferenceRequest]:
        """What the reference must know of `rows`."""
        asked = set(self.loss.quantities)
        for row in self.rows:
            if "reference_chosen" in asked:
                yield ReferenceRequest(row.chosen)
            if "reference_rejected" in asked:
                yield ReferenceRequest(row.rejected)
            if row.pair_id in self.gap_rows:
                yield ReferenceRequest(self.gap_rows[row.pair_id].chosen)
                yield ReferenceRequest(self.gap_rows[row.pair_id].rejected)
            if mismatched := self.mismatched.get((row.pair_id, row.language)):
                yield ReferenceRequest(mismatched)
            for sequence in self._retained([row]):
                yield self._wanted_retained(sequence)

    def _retained(self, rows: Sequence[TrainingRow]) -> list[Tokens]:
        if self.retention is None:
            return []
        scored = self.retention.needs == "token_log_probs"
        return [_part(self.dominant[row.pair_id], part, scored) for row in rows for part in self.retention.sequences]

    def _wanted_retained(self, sequence: Tokens) -> ReferenceRequest:
        return ReferenceRequest(sequence, self.states, per_token=self.states is None)

    def __call__(
        self,
        rows: Sequence[TrainingRow],
        batch: Batch,
        measured: ForwardResult,
        reference: Reference,
        mismatched: Tensor | None = None,
    ) -> RowLosses:
        """The losses of `rows`, whose `sequences` are `batch` and came out of the forward as `measured`.

        `mismatched`: (rows of the global batch,) log-ratios, for the losses that ask for them.
        """
        quantities = Quantities(self, rows, measured, reference, mismatched)
        method = self.loss({name: quantities[name] for name in self.loss.quantities}, **self.hyper)
        total = method
        parts = {}
        if self.retention is not None:
            retained = self._retention(self.retention, rows, batch, measured, reference)
            total = total + self.retain_weight * retained
            parts = {"L1": method, "L2": retained}
        if self.nll_weight:
            parts["nll"] = -quantities.per_token("chosen")
            total = total + self.nll_weight * parts["nll"]
        weights = total.new_tensor([row.weight for row in rows])
        metrics = {**parts, **quantities.metrics(self.hyper.get("beta", 1.0))}
        return RowLosses(total * weights, {name: value.detach() for name, value in metrics.items()})

    def _retention(
        self,
        retention: Retention,
        rows: Sequence[TrainingRow],
        batch: Batch,
        measured: ForwardResult,
        reference: Reference,
    ) -> Tensor:
        columns = [self.kinds.index(f"dominant {part}") for part in retention.sequences]
        sequences = self._retained(rows)
        if retention.states is not None:
            if measured.states is None:
                raise ValueError("the forward returned no states")
            policy = measured.states.view(len(rows), len(self.kinds), -1)[:, columns]
            kept = reference.states(sequences).to(policy)
            return retention.function(policy, kept.view_as(policy))
        row_of, column_of = batch.owners // len(self.kinds), batch.owners % len(self.kinds)
        ours = torch.isin(column_of, batch.owners.new_tensor(columns))
        policy = measured.token_log_probs[ours]
        return retention.function(policy, reference.token_log_probs(sequences).to(policy), row_of[ours], len(rows))


class Quantities:
    """The quantities a loss may ask for (names of `losses.QUANTITIES`), each (rows,), worked out when asked."""

    def __init__(
        self,
        objective: Objective,
        rows: Sequence[TrainingRow],
        measured: ForwardResult,
        reference: Reference,
        mismatched: Tensor | None,
    ) -> None:
        self.objective = objective
        self.rows = rows
        self.log_probs = measured.log_probs.view(len(rows), -1)  # (rows, kinds)
        self.reference = reference
        self.mismatched = mismatched

    def __getitem__(self, name: str) -> Tensor:
        source, _, part = name.partition("_")
        if name == "mismatched":
            if self.mismatched is None:
                raise ValueError("no mismatched log-ratios were measured for this global batch")
            return self.mismatched
        if part == "tokens":
            return self._tokens(source)
        if name == "policy_gap":
            return self["policy_chosen"] - self["policy_rejected"]
        if name == "dominant_gap":
            return self._dominant_gap()
        if source == "policy":
            return self.policy(part)
        return self._reference_log_probs([getattr(row, part) for row in self.rows])

    def policy(self, kind: str) -> Tensor:
        """log pi of a kind of sequence, as the method reduces it."""
        return self.per_token(kind) if self.objective.mean else self._sum(kind)

    def per_token(self, kind: str) -> Tensor:
        return self._sum(kind) / self._tokens(kind)

    def _sum(self, kind: str) -> Tensor:
        return self.log_probs[:, self.objective.kinds.index(kind)]

    def _tokens(self, kind: str) -> Tensor:
        sequences = (self.objective.sequence(row, kind) for row in self.rows)
        return self.log_probs.new_tensor([len(s.input_ids) - s.prompt_length for s in sequences])

    def _reference_log_probs(self, sequences: Sequence[Tokens]) -> Tensor:
        return self.log_probs.new_tensor(self.reference.log_probs(sequences, mean=self.objective.mean))

    def _dominant_gap(self) -> Tensor:
        if self.objective.policy_gap_target:
            return (self.policy("dominant chosen") - self.policy("dominant rejected")).detach()
        if self.objective.constant_gap is not None:
            return self.log_probs.new_full((len(self.rows),), self.objective.constant_gap)
        rows = [self.objective.gap_rows[row.pair_id] for row in self.rows]
        return self._reference_log_probs([row.chosen for row in rows]) - self._reference_log_probs(
            [row.rejected for row in rows]
        )

    def metrics(self, beta: float) -> dict[str, Tensor]:
        """TRL's names: rewards are beta (log pi - log pi_ref) where the method has a reference, else beta log pi."""
        metrics: dict[str, Tensor] = {}
        for part in ("chosen", "rejected"):
            if part in self.objective.kinds:
                metrics[f"logps/{part}"] = self._sum(part)
                metrics[f"rewards/{part}"] = beta * self._reward(part)
        if "rewards/rejected" in metrics and "rewards/chosen" in metrics:
            margins = metrics["rewards/chosen"] - metrics["rewards/rejected"]
            metrics["rewards/margins"] = margins
            metrics["rewards/accuracies"] = (margins > 0).to(margins)
            metrics["reward_gap"] = self.per_token("chosen") - self.per_token("rejected")
        return metrics

    def _reward(self, part: str) -> Tensor:
        if f"reference_{part}" in self.objective.loss.quantities:
            return self.policy(part) - self[f"reference_{part}"]
        return self.policy(part)


def _part(row: TrainingRow, part: str, scored: bool) -> Tokens:
    """One of a dominant row's sequences: with its chosen or rejected answer, or the prompt alone."""
    if part == "prompt":
        return Tokens(row.chosen.prompt, row.chosen.prompt_length, scored=False)
    sequence = row.chosen if part == "chosen" else row.rejected
    return Tokens(sequence.input_ids, sequence.prompt_length, scored=scored)


def _gap_source(gap: str, rows: TrainingRows) -> tuple[Mapping[str, TrainingRow], float | None]:
    """Rows whose reference gap is the target, by pair; or the constant that replaces it."""
    if gap == "dominant":
        return rows.dominant, None
    if gap == "policy":
        return {}, None
    try:
        return {}, float(gap)
    except ValueError:
        pass
    found = {row.pair_id: row for row in rows.targets if row.language == gap}
    if not found:
        raise DataError(
            f"gap must be dominant, policy, a number or a language of the rows, got {gap!r}. "
            f"Languages: {', '.join(rows.languages())}."
        )
    if without := {row.pair_id for row in rows.targets} - set(found):
        raise DataError(f"{len(without)} pairs have no {gap} side whose reward gap could be their target.")
    return found, None


def _mismatched(rows: Sequence[TrainingRow]) -> dict[tuple[str, str], Tokens]:
    """For each row its prompt with the chosen answer of the next row of its language; the pairing never changes."""
    by_language: dict[str, list[TrainingRow]] = {}
    for row in rows:
        by_language.setdefault(row.language, []).append(row)
    return {
        (row.pair_id, row.language): Tokens(
            (*row.chosen.prompt, *other.chosen.input_ids[other.chosen.prompt_length :]), row.chosen.prompt_length
        )
        for group in by_language.values()
        for row, other in zip(group, [*group[1:], group[0]], strict=True)
    }
