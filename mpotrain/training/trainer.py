"""transformers' Trainer with this project's batches, reference and losses; parallelism and checkpoints are its own.

What differs from Trainer: rows come in a global order that is sliced over processes (`order.py`), the policy is
measured once before its first step (`reference.py`), the loss is a sum over rows that already holds every average, a
checkpoint is marked when it is whole (`checkpoints.py`), and a loss that is not finite ends the run.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainerControl

from mpodata.errors import ModelError
from mpodata.runtime.journal import Journal
from mpodata.runtime.progress import Progress
from mpotrain.config import MPOConfig
from mpotrain.data import TrainingRow
from mpotrain.model.batches import Batch, Tokens, pack, pad
from mpotrain.model.extractor import add_extractor, load_extractor, save_extractor, without_extractor
from mpotrain.model.forward import measure
from mpotrain.model.loading import Policy
from mpotrain.objective.objective import Objective, RowLosses
from mpotrain.objective.reference import Reference, measure_reference
from mpotrain.objective.state_losses import StateLoss
from mpotrain.objective.state_terms import StateTerms
from mpotrain.objective.whole_batch import BatchStates, WholeBatchLoss
from mpotrain.training import checkpoints
from mpotrain.training.callbacks import BeforeFirstStep, LogLines, ShortProgress
from mpotrain.training.layerwise import LayerwiseAdamW
from mpotrain.training.meter import Meter
from mpotrain.training.order import GlobalOrder, Slot
from mpotrain.training.premise import mean_gaps, premise_lines
from mpotrain.training.reference_model import wanted

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class MicroBatch:
    """The rows of one forward of one process."""

    rows: list[TrainingRow]
    shares: list[float]  # each row's share of the loss; 0 for a filler, which only keeps the processes in step
    mismatched: Tensor | None = None  # log-ratios of the global batch's mismatched answers, where the loss asks
    whole_batch: Mapping[str, WholeBatchLoss] | None = None  # losses over the global batch, by name, where it has some

    @property
    def counted(self) -> list[TrainingRow]:
        """The rows that are no fillers."""
        return [row for row, share in zip(self.rows, self.shares, strict=True) if share > 0]


class Numbered(Dataset[tuple[TrainingRow, float]]):
    """Rows, drawn by number together with their share of the loss."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, slot: Slot) -> tuple[TrainingRow, float]:
        number, share = slot
        return self.rows[number], share


class EpochLoader(DataLoader[tuple[TrainingRow, float]]):
    """A loader whose order Trainer can set to an epoch."""

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class MPOTrainer(Trainer):  # type: ignore[misc]
    """Trains a policy on an objective. Every launch mode of Trainer works; results do not depend on it."""

    loss_is_scaled_for_ga = True  # shares already average over the global batch

    def __init__(
        self,
        policy: Policy,
        args: MPOConfig,
        objective: Objective,
        *,
        held_out: Objective | None = None,
        tokenizer: Any = None,
        journal: Journal | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        progress: Progress | None = None,
        premise: Sequence[TrainingRow] = (),
        reference: Reference | None = None,
    ) -> None:
        """`journal` keeps reference measurements over runs; `held_out` is measured where `eval_strategy` says so.

        premise: rows whose reward gaps are measured with the reference and reported, before the first step.
        reference: what another model than the policy was found to say; None: the policy is measured itself.
        """
        self.policy = policy
        self.objective = objective
        self.journal = journal
        self.reference = reference
        self._measures_policy = reference is None
        self.reference_progress = progress
        self.held_out = held_out
        self.premise = premise
        self.first_gaps: dict[str, float] = {}  # language -> reward gap before the first step, of the premise's rows
        self.memory_estimate = 0.0  # bytes per process, activations included
        self.layerwise: LayerwiseAdamW | None = None  # with --bf16_weights
        self._saved: set[Path] = set()  # checkpoints written by this process
        self.meter = Meter(sorted({row.language for part in self._objectives() for row in part.rows}))
        for dimensions in {request.extracted for request in objective.states} - {0}:
            add_extractor(policy.model, dimensions, args.seed)
        self._parameter_count: int = sum(parameter.numel() for parameter in policy.model.parameters())
        super().__init__(
            model=policy.model,
            args=args,
            train_dataset=Numbered(objective.rows),
            eval_dataset=None if held_out is None else Numbered(held_out.rows),
            data_collator=collate,
            processing_class=tokenizer,
            callbacks=[BeforeFirstStep(self.measure_first), *callbacks],
        )
        for theirs, ours in ((ProgressCallback, ShortProgress), (PrinterCallback, LogLines)):
            if self.pop_callback(theirs) is not None:
                self.add_callback(ours)

    def _objectives(self) -> list[Objective]:
        return [self.objective] if self.held_out is None else [self.objective, self.held_out]

    def get_train_dataloader(self) -> DataLoader[tuple[TrainingRow, float]]:
        """This process' micro-batches; never split again by accelerate."""
        order = GlobalOrder(
            [row.pair_id for row in self.objective.rows],
            batch=self.args.global_batch_size,
            processes=self.args.world_size,
            rank=self.args.process_index,
            accumulation=self.args.gradient_accumulation_steps,
            seed=self.args.seed if self.args.data_seed is None else self.args.data_seed,
            group_by_pair=self.args.group_by_pair,
        )
        return EpochLoader(self.train_dataset, batch_sampler=order, collate_fn=collate)

    def layout(self, sequences: Sequence[Tokens]) -> Batch:
        """`sequences` as one batch on this process' device."""
        arrange = pack if self.policy.packs else pad
        return arrange(sequences, self.args.device)

    def measure_first(self) -> None:
        """Measure the reference with the policy as it is now, or find it in the journal; report the gaps it has."""
        premise = self.premise if self.state.global_step == 0 else ()
        if self._measures_policy:
            self.reference = measure_reference(
                self.model_wrapped,
                wanted(self._objectives(), premise),
                self.layout,
                identity=self.policy.identity,
                journal=self.journal,
                rank=self.args.process_index,
                processes=self.args.world_size,
                started=self.state.global_step > 0,
                progress=self.reference_progress if self.is_world_process_zero() else None,
            )
        self.first_gaps = mean_gaps(self._known(), premise)
        if premise and self.is_world_process_zero():
            for line in premise_lines(self.first_gaps, self.objective.data.dominant_language):
                logger.warning(line)

    def get_batch_samples(
        self,
        epoch_iterator: Iterator[MicroBatch],
        num_batches: int,
        device: torch.device,  # noqa: ARG002
    ) -> tuple[list[MicroBatch], None]:
        """The micro-batches of one optimizer step; where a loss looks at the whole global batch, what it looks at."""
        batches = list(islice(epoch_iterator, num_batches))
        if self.objective.mismatched:
            ratios = self._mismatched(self.objective, [row for batch in batches for row in batch.counted])
            for batch in batches:
                batch.mismatched = ratios
        self._compare_whole_batch(self.objective, batches)
        return batches, None

    def _compare_whole_batch(self, objective: Objective, batches: Sequence[MicroBatch]) -> None:
        """The first pass of the losses over the global batch: every micro-batch gets what concerns its rows."""
        for loss in objective.state_terms.whole_batch:
            parts = [self._first_pass(objective.state_terms, loss, batch) for batch in batches]
            everywhere = [parts] if self.args.world_size == 1 else gather_object([parts])
            found = objective.state_terms.over_batch(loss, BatchStates.joined([p for of in everywhere for p in of]))
            start = sum(len(p.shares) for of in everywhere[: self.args.process_index] for p in of)
            for batch in batches:
                part = found.part(start, start + len(batch.rows))
                batch.whole_batch = {**(batch.whole_batch or {}), loss.name: part}
                start += len(batch.rows)

    def _first_pass(self, terms: StateTerms, loss: StateLoss, batch: MicroBatch) -> BatchStates:
        sequences = self.layout(terms.first_pass(loss, batch.rows))
        kinds = tuple(dict.fromkeys(part.states for part in loss.states.values()))
        with torch.no_grad():
            states = measure(self.model_wrapped, sequences, states=kinds).states
        return terms.batch_states(loss, batch.rows, batch.shares, states)

    def _mismatched(self, objective: Objective, rows: Sequence[TrainingRow]) -> Tensor:
        """(2 x rows of the global batch,) log pi - log pi_ref of mismatched answers, gathered over processes."""
        sequences = [answer for row in rows or objective.rows[:1] for answer in objective.mismatched[row]]
        with torch.no_grad():
            measured = measure(self.model_wrapped, self.layout(sequences))
        before = self._known().log_probs(sequences, mean=objective.mean)
        after = measured.log_probs / measured.tokens if objective.mean else measured.log_probs
        ratios = (after - after.new_tensor(before)).tolist()[: 2 * len(rows)]
        if self.args.world_size > 1:
            ratios = gather_object(ratios)
        return torch.tensor(ratios, device=self.args.device)

    def _prepare_inputs(self, inputs: MicroBatch) -> MicroBatch:
        """Nothing to move: `layout` puts a micro-batch on this process' device."""
        return inputs

    def compute_loss(
        self,
        model: nn.Module,
        inputs: MicroBatch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,  # noqa: ARG002
    ) -> Tensor | tuple[Tensor, None]:
        """This micro-batch's part of the mean over the global batch."""
        outcome = self._outcome(model, self.objective, inputs)
        self._check_finite(outcome.losses, inputs)
        self._count(inputs, outcome.metrics)
        loss = outcome.losses @ outcome.losses.new_tensor(inputs.shares)
        if outcome.carried is not None:
            loss = loss + outcome.carried
        return (loss, None) if return_outputs else loss

    def _check_finite(self, losses: Tensor, inputs: MicroBatch) -> None:
        """Raises ModelError before a loss that is not finite reaches the weights."""
        finite = torch.isfinite(losses.detach()).tolist()
        broken = [row.language for row, fine in zip(inputs.rows, finite, strict=True) if not fine]
        if broken:
            value = losses.detach()[~torch.isfinite(losses.detach())][0].item()
            raise ModelError(
                f"The loss is {value} at step {self.state.global_step + 1}, in rows of language "
                f"{', '.join(sorted(set(broken)))}. {self._way_out()}"
            )

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """As Trainer's, or the optimizer of bfloat16 weights."""
        if self.args.bf16_weights and self.layerwise is None:
            betas = (self.args.adam_beta1, self.args.adam_beta2)
            self.layerwise = LayerwiseAdamW(
                self.model, lr=self.args.learning_rate, betas=betas, eps=self.args.adam_epsilon
            )
            self.optimizer = self.layerwise
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)  # keeps the one that is there
        return optimizer

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """As Trainer's; raises ModelError where the gradient is not finite (float16 skips such steps by itself)."""
        norm = self.layerwise.norm() if self.layerwise else super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not self.args.fp16 and not math.isfinite(float(norm)):
            raise ModelError(
                f"The gradient is {float(norm)} at step {self.state.global_step + 1}, though the loss is finite. "
                f"{self._way_out()}"
            )
        return norm

    def _way_out(self) -> str:
        return (
            "The run has stopped and the weights of this step were not saved. Lower --learning_rate, use --bf16 "
            "instead of --fp16, or look at the rows with `mpotrain preview`; then train into a new --output_dir."
        )

    def _run_epoch(self, *args: Any, **options: Any) -> None:
        """As Trainer's, which trains one step more where the checkpoint it goes on from is the last step's."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **options)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """As Trainer's; the run's model, unlike its checkpoints, is saved without what was trained beside it."""
        if not any(request.extracted for request in self.objective.states):
            super()._save(output_dir, state_dict)
            return
        weights = self.model.state_dict() if state_dict is None else state_dict
        folder = Path(output_dir or self.args.output_dir)
        final = folder == Path(self.args.output_dir)
        super()._save(output_dir, without_extractor(weights) if final else state_dict)
        if not final and self.args.should_save and not isinstance(self.model, PreTrainedModel):
            save_extractor(weights, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """As Trainer's, and the extractor beside adapters."""
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if not (self.is_deepspeed_enabled or self.is_fsdp_enabled):  # whose checkpoints hold all parameters
            load_extractor(self.model, Path(resume_from_checkpoint))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """As Trainer's, then marked as whole; older ones are removed after that, never before."""
        folder = Path(self._get_output_dir(trial)) / f"{checkpoints.PREFIX}{self.state.global_step}"
        if folder in self._saved:
            return
        if self.is_world_process_zero() and folder.exists():
            checkpoints.remove(folder)
        self.accelerator.wait_for_everyone()
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            for_safety = self.args.save_strategy == "no"
            checkpoints.mark_complete(folder, for_safety=for_safety)
            kept = 1 if for_safety else limit
            checkpoints.rotate(folder.parent, kept, self.state.best_model_checkpoint)
        self.accelerator.wait_for_everyone()
        self._saved.add(folder)

    def _outcome(self, model: nn.Module, objective: Objective, inputs: MicroBatch) -> RowLosses:
        batch = self.layout(objective.sequences(inputs.rows))
        measured = measure(model, batch, states=objective.states)
        step = self.state.global_step
        return objective(inputs.rows, batch, measured, self._known(), inputs.mismatched, inputs.whole_batch, step)

    def _known(self) -> Reference:
        if self.reference is None:
            raise RuntimeError("the reference is measured when training begins")
        return self.reference

    def _count(self, inputs: MicroBatch, metrics: dict[str, Tensor]) -> None:
        self.meter.add([row.language for row in inputs.rows], metrics, [share > 0 for share in inputs.shares])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what was measured per language since the last time."""
        super().log({**logs, **self.meter.read(self.args.device)}, start_time)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """The objective and its metrics on the held-out rows, without gradient; every process takes its slice."""
        if self.held_out is None or eval_dataset is not None:
            raise ValueError("held-out rows are given when the trainer is made")
        started = time.time()
        meter, self.meter = self.meter, Meter(self.meter.languages)
        self.model_wrapped.eval()
        per_step = self.args.per_device_eval_batch_size * self.args.world_size
        for start in range(0, len(self.held_out.rows), per_step):
            self._measure_held_out(self.held_out, self.held_out.rows[start : start + per_step])
        self.model_wrapped.train()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.meter.read(self.args.device).items()}
        self.meter = meter
        metrics[f"{metric_key_prefix}_runtime"] = round(time.time() - started, 4)
        super().log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _measure_held_out(self, objective: Objective, rows: Sequence[TrainingRow]) -> None:
        mine = rows[self.args.process_index :: self.args.world_size]
        inputs = collate([(row, 1.0) for row in mine] or [(rows[0], 0.0)])
        if objective.mismatched:
            inputs.mismatched = self._mismatched(objective, mine)
        self._compare_whole_batch(objective, [inputs])
        with torch.no_grad():
            outcome = self._outcome(self.model_wrapped, objective, inputs)
        self._count(inputs, {"loss": outcome.losses, **outcome.metrics})

    def floating_point_ops(self, inputs: MicroBatch) -> int:
        """6 operations per parameter and token (forward and backward), as Trainer estimates it."""
        tokens = sum(len(sequence.input_ids) for sequence in self.objective.sequences(inputs.rows))
        return 6 * tokens * self._parameter_count


def collate(drawn: Sequence[tuple[TrainingRow, float]]) -> MicroBatch:
    """One micro-batch."""
    return MicroBatch([row for row, _ in drawn], [share for _, share in drawn])
