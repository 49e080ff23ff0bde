"""Kill a pocket training run with -9 at random moments, run the same command again, compare with an uninterrupted run.

    scripts/kill_train.py --kills 100

Every trial starts in an empty folder, is killed a few times and then left to finish. Printed: how many trials ended in
the same weights, and how many optimizer steps the kills cost.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEPS = 12
BATCH = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run leaves and what it cost."""

    weights: str  # sha256 of model.safetensors
    steps: list[int]  # steps that metrics.jsonl holds
    trained: int  # optimizer steps, over all runs of the trial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-trial", type=int, default=5, help="kills before a trial is left to finish (default 5)")
    parser.add_argument("--minutes", type=float, default=10, help="stop after so many minutes (default 10)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return report(args.kills, args.per_trial, args.minutes, random.Random(args.seed), Path(folder))


def report(kills: int, per_trial: int, minutes: float, chance: random.Random, folder: Path) -> int:
    """Run all trials; returns the number of trials that went wrong."""
    import mpotrain.training.run  # noqa: F401  (once, before the processes that are killed are forked)

    build(folder / "data")
    finished(folder / "warm-up", folder / "data")
    started = time.monotonic()
    whole = finished(folder / "whole", folder / "data")
    seconds = time.monotonic() - started
    print(f"uninterrupted: {seconds:.1f} s, {whole.trained} steps", flush=True)
    done = trial = wrong = extra = 0
    while done < kills and time.monotonic() - started < 60 * minutes:
        place, trial = folder / f"trial-{trial}", trial + 1
        landed = 0
        while landed < min(per_trial, kills - done):
            if not killed(place, folder / "data", chance.uniform(0.02, 0.6) * seconds):
                break
            landed += 1
        outcome = finished(place, folder / "data")
        fine = outcome.weights == whole.weights and outcome.steps == whole.steps
        done, wrong, extra = done + landed, wrong + (not fine), extra + outcome.trained - whole.trained
        verdict = "same" if fine else "OTHER"
        print(f"trial {trial}: {landed} kills hit a running command, {verdict} weights and metrics", flush=True)
    print(f"{done} kills in {trial} trials, {wrong} went wrong; {extra} steps trained twice")
    return wrong


def build(data: Path) -> None:
    """A small version from the recipe of the quickstart."""
    arguments = ["build", "--recipe", "quickstart", "--languages", "sw", "--samples", "40", "--out", str(data)]
    subprocess.run(
        [sys.executable, "-m", "mpodata.cli", *arguments],
        check=True,
        env={**os.environ, "MPODATA_CACHE": str(data.parent / "cache")},
        capture_output=True,
    )


def finished(place: Path, data: Path) -> Outcome:
    """Run the command to its end."""
    process = start(place, data)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"the run ended with {status}: {(place / 'log').read_text()[-1500:]}")
    metrics = [json.loads(line) for line in (place / "run" / "metrics.jsonl").read_text().splitlines()]
    return Outcome(
        hashlib.sha256((place / "run" / "model.safetensors").read_bytes()).hexdigest(),
        [entry["step"] for entry in metrics],
        len((place / "steps").read_text().splitlines()),
    )


def killed(place: Path, data: Path, after: float) -> bool:
    """Start the command and kill it `after` seconds; False where it was over before."""
    process = start(place, data)
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return True


def start(place: Path, data: Path) -> int:
    """The command in a process of its own; the libraries it needs are loaded already."""
    place.mkdir(parents=True, exist_ok=True)
    process = os.fork()
    if process == 0:
        log = os.open(place / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(run(place, data))
    return process


def run(place: Path, data: Path) -> int:
    """`mpotrain train`, with every micro-batch counted, and a checkpoint after every step."""
    from mpotrain.cli import main as mpotrain_main
    from mpotrain.training import saving
    from mpotrain.training.trainer import MPOTrainer

    os.environ["MPODATA_CACHE"] = str(place / "cache")
    saving.SAVING_SHARE = 0
    counter = os.open(place / "steps", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    step = MPOTrainer.training_step

    def counted(self: MPOTrainer, *args: Any, **options: Any) -> Any:
        os.write(counter, b"step\n")
        return step(self, *args, **options)

    MPOTrainer.training_step = counted
    flags = ["--dataset", str(data), "--model", "pocket-chat", "--output_dir", str(place / "run"), "--use_cpu"]
    schedule = ["--global_batch_size", str(BATCH), "--max_steps", str(STEPS), "--learning_rate", "4e-5"]
    often = ["--save_minutes", "1e-6", "--logging_steps", "1", "--disable_tqdm", "true"]
    return mpotrain_main(["train", *flags, *schedule, *often])


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
