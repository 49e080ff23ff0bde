"""When a run writes checkpoints beside its schedule: every so many minutes, and when it is asked to stop."""
# ruff: noqa: ARG002  (the signatures are transformers')

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributed import ReduceOp, all_reduce, is_initialized
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

SECOND_THOUGHT = 2.0  # seconds in which a repeated signal is the same one: torchrun passes on what a terminal sends too
SAVING_SHARE = 5  # between two checkpoints lies at least this many times what writing one takes

logger = logging.getLogger(__name__)


class StopRequest:
    """Ctrl-C or SIGTERM: the first ends the run after its step with a checkpoint, a later one at once."""

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self.training = False  # whether a step is under way, after which there is something to save

    @property
    def asked(self) -> bool:
        return self.asked_at is not None

    def receive(self, number: int, frame: object) -> None:
        """The signal handler."""
        now = time.monotonic()
        if not self.training or (self.asked_at is not None and now - self.asked_at > SECOND_THOUGHT):
            raise KeyboardInterrupt
        if self.asked_at is None:
            self.asked_at = now
            logger.warning("Stopping after this step with a checkpoint; a second Ctrl-C stops at once.")

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Receive signals inside this block; in a thread that is not the main one, nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class SaveOften(TrainerCallback):  # type: ignore[misc]
    """Asks for a checkpoint every `minutes` of training and when a stop is requested; all processes agree."""

    def __init__(self, minutes: float, stop: StopRequest) -> None:
        """`minutes`: 0 for none beside the schedule of `save_strategy`."""
        self.minutes = minutes
        self.stop = stop
        self.stopped = False  # whether the run ended because it was asked to
        self._saved_at = 0.0
        self._asked_at = 0.0
        self._wait = 60 * minutes

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._saved_at = time.monotonic()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.stop.training = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:  # the model itself is written next
            return
        due = self.minutes > 0 and time.monotonic() - self._saved_at >= self._wait
        stop, due = _any_process([self.stop.asked, due], args.device)
        if stop:
            self.stopped = control.should_training_stop = True
        if stop or due:
            control.should_save = True
            self._asked_at = time.monotonic()

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.stopped:
            control.should_evaluate = control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        now = time.monotonic()
        if self._asked_at > self._saved_at:
            self._wait = max(60 * self.minutes, SAVING_SHARE * (now - self._asked_at))
        self._saved_at = now


def _any_process(flags: list[bool], device: torch.device) -> list[bool]:
    """Each flag, raised where any process raised it."""
    if not is_initialized():
        return flags
    raised = torch.tensor(flags, dtype=torch.int32, device=device)
    all_reduce(raised, op=ReduceOp.MAX)
    return [bool(flag) for flag in raised.tolist()]
