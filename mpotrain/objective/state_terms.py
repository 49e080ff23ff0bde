"""The losses on states of one method, fed: what they ask of policy and reference, and their values on a micro-batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from mpotrain.data import TrainingRow, TrainingRows
from mpotrain.model.batches import Tokens
from mpotrain.model.states import States
from mpotrain.objective.measured_rows import MeasuredRows
from mpotrain.objective.parts import AllPrompts, Part, TargetPrompt
from mpotrain.objective.reference import Reference, ReferenceRequest
from mpotrain.objective.state_losses import Constants, PartStates, StateLoss
from mpotrain.objective.whole_batch import BatchStates, WholeBatchLoss, whole_batch_loss

Sequences = Callable[[TrainingRow, Part | TargetPrompt], Tokens]


def pair_number(pair_id: str) -> int:
    """The same integer for a pair in every process."""
    return int.from_bytes(blake2b(pair_id.encode(), digest_size=7).digest())


@dataclass(frozen=True, slots=True)
class StateTerms:
    """A method's losses on states, over the rows of a run."""

    losses: Sequence[StateLoss]
    hyper: Mapping[str, Any]  # the method's, those of its losses on states included
    data: TrainingRows
    sequence: Sequences  # one of a row's sequences
    _constants: dict[Constants, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def whole_batch(self) -> tuple[StateLoss, ...]:
        """Those that compare rows with the whole global batch."""
        return tuple(loss for loss in self.losses if loss.whole_batch)

    def asked(self, *, reference: bool = False) -> list[PartStates]:
        """What is read off the policy's, or the reference's, sequences."""
        return [part for loss in self.losses for part in loss.states.values() if part.reference is reference]

    @property
    def all_prompts(self) -> bool:
        """Whether a row contributes its pair's prompts in all languages."""
        return any(isinstance(part.part, AllPrompts) for part in self.asked())

    def parts(self) -> set[Part]:
        """The kinds of sequences that the policy encodes."""
        return {part.part for part in self.asked() if isinstance(part.part, Part)}

    def wanted(self, row: TrainingRow) -> Iterator[ReferenceRequest]:
        """What the reference must know of `row`."""
        for part in self.asked(reference=True):
            if isinstance(part.part, Part):
                yield ReferenceRequest(self.sequence(row, part.part), (part.states,))
        for loss in self.losses:
            if loss.constants is not None:
                for prompt in (Part.PROMPT, Part.DOMINANT_PROMPT):
                    yield ReferenceRequest(self.sequence(row, prompt), (loss.constants.states,))

    def values(self, measured: MeasuredRows, whole: Mapping[str, WholeBatchLoss]) -> dict[str, Tensor]:
        """(rows,) of each loss; of those over the whole batch without gradient, which `carried` brings."""
        return {
            loss.name: whole[loss.name].values.to(measured.log_probs)
            if loss.whole_batch
            else loss.function(**self._arguments(loss, measured), **self._hyper(loss))
            for loss in self.losses
        }

    def carried(self, measured: MeasuredRows, whole: Mapping[str, WholeBatchLoss]) -> Tensor | None:
        """A scalar of value 0 with the gradient of the losses over the whole batch; None without such losses."""
        scalars = [whole[loss.name].carry(self._states(loss, measured)) for loss in self.whole_batch]
        return torch.stack(scalars).sum() if scalars else None

    def batch_states(
        self, loss: StateLoss, rows: Sequence[TrainingRow], shares: Sequence[float], states: Mapping[States, Tensor]
    ) -> BatchStates:
        """What the first pass over a micro-batch found: request -> (rows x parameters of `loss`, d)."""
        parameters = list(loss.states)
        return BatchStates(
            {
                name: states[part.states].view(len(rows), len(parameters), -1)[:, parameters.index(name)].cpu()
                for name, part in loss.states.items()
            },
            [pair_number(row.pair_id) for row in rows],
            list(shares),
            [row.weight for row in rows],
        )

    def first_pass(self, loss: StateLoss, rows: Sequence[TrainingRow]) -> list[Tokens]:
        """The sequences of a loss over the whole batch, its parameters in order, row after row."""
        parts = [part.part for part in loss.states.values() if isinstance(part.part, Part)]
        return [self.sequence(row, part) for row in rows for part in parts]

    def over_batch(self, loss: StateLoss, rows: BatchStates) -> WholeBatchLoss:
        """`loss` of every row of the global batch."""
        return whole_batch_loss(loss, rows, self._hyper(loss))

    def _hyper(self, loss: StateLoss) -> dict[str, Any]:
        return {name: self.hyper.get(name, value) for name, value in loss.hyper.items()}

    def _states(self, loss: StateLoss, measured: MeasuredRows) -> dict[str, Tensor]:
        return {name: self._of(part, measured) for name, part in loss.states.items()}

    def _of(self, part: PartStates, measured: MeasuredRows) -> Tensor:
        if not part.reference or isinstance(part.part, AllPrompts):
            return measured.states_of(part.part, part.states)
        sequences = [self.sequence(row, part.part) for row in measured.rows]
        return measured.reference.states(sequences, part.states).to(measured.log_probs)

    def _arguments(self, loss: StateLoss, measured: MeasuredRows) -> dict[str, Tensor]:
        """The states of `loss`, and of its constants those it takes: (d, ...), or (rows, d) by the rows' languages."""
        arguments = self._states(loss, measured)
        for name, value in self._known(loss.constants, measured.reference).items():
            if name in loss.parameters:
                rows = value if isinstance(value, Tensor) else torch.stack([value[r.language] for r in measured.rows])
                arguments[name] = rows.to(measured.log_probs)
        return arguments

    def _known(self, constants: Constants | None, reference: Reference) -> Mapping[str, Any]:
        """Computed once: the reference never changes."""
        if constants is None:
            return {}
        if constants not in self._constants:
            prompts: dict[str, dict[Tokens, None]] = {}
            for row in self.data.targets:
                prompts.setdefault(self.data.dominant_language, {})[self.sequence(row, Part.DOMINANT_PROMPT)] = None
                prompts.setdefault(row.language, {})[self.sequence(row, Part.PROMPT)] = None
            means = {code: reference.states([*group], constants.states).mean(0) for code, group in prompts.items()}
            self._constants[constants] = constants.made_of(means, self.data.dominant_language)
        return self._constants[constants]
