"""What happens beside training: the reference pass before the first step, and the metrics file."""
# ruff: noqa: ARG002  (the signatures are transformers')

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mpodata.runtime.whole_files import write_text
from mpotrain.runs import METRICS_FILE, read_metrics

SHOWN = (
    "loss",
    "L1",
    "L2",
    "reward_gap",
    "rewards/margins",
    "rewards/accuracies",
    "grad_norm",
    "learning_rate",
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
        if state.is_world_process_zero and self.training_bar is not None and (line := log_line(state, logs or {})):
            self.training_bar.write(line)


class LogLines(TrainerCallback):  # type: ignore[misc]
    """The same figures a line each, where no bar is shown."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and (line := log_line(state, logs or {})):
            tqdm.write(line)


def log_line(state: TrainerState, logs: Mapping[str, Any]) -> str:
    """`step 10/48  loss 0.1412  L1 ...`; empty where there is nothing a person follows."""
    shown = [(name, value) for name, value in logs.items() if name.removeprefix("eval_") in SHOWN]
    figures = [f"{name} {value:.4g}" for name, value in shown if isinstance(value, int | float)]
    return "  ".join([f"step {state.global_step}/{state.max_steps}", *figures]) if figures else ""


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
