"""What happens beside training: the reference pass before the first step, and the metrics file."""
# ruff: noqa: ARG002  (the signatures are transformers')

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mpotrain.runs import METRICS_FILE, read_metrics, write_text

SHOWN = (
    "loss",
    "L1",
    "L2",
    "reward_gap",
    "rewards/margins",
    "rewards/accuracies",
    "grad_norm",
    "learning_rate",
    "epoch",
)


class BeforeFirstStep(TrainerCallback):  # type: ignore[misc]
    """Calls `work` when the launch mode has wrapped the model and no step was made yet."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.work()


class ShortProgress(ProgressCallback):  # type: ignore[misc]
    """Trainer's bar with the figures a person follows; all others are in metrics.jsonl and at the reporters."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        shown = {name: value for name, value in (logs or {}).items() if name in SHOWN or name.startswith("train_")}
        super().on_log(args, state, control, logs=shown, **kwargs)


class MetricsFile(TrainerCallback):  # type: ignore[misc]
    """Appends every log to `metrics.jsonl`; a resumed run first forgets what it will do again, and half a line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS_FILE

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        done = [entry for entry in read_metrics(self.path.parent) if entry["step"] <= state.global_step]
        kept = [entry for entry in done if state.global_step and "train_runtime" not in entry]
        write_text(self.path, "".join(f"{json.dumps(entry)}\n" for entry in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")
