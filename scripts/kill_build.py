"""Kill a pocket build with -9 at random moments, run the same command again, and compare with an uninterrupted build.

    scripts/kill_build.py --kills 100

Every trial starts from an empty cache, is killed a few times and then left to finish. Printed: how many trials ended in
the same Parquet bytes, and how many engine and translator calls the kills cost.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = 16  # rows between two journal commits: small, so that a small build has many moments to be killed at
ARGUMENTS = ["build", "--recipe", "quickstart", "--languages", "sw,bn", "--samples", "60"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished build leaves and what it cost."""

    files: dict[str, str]  # Parquet path -> sha256
    answers: int  # prompts that the engine was given, over all runs of the trial
    segments: int  # segments that the translator was given
    largest: int  # most inputs in one call


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-trial", type=int, default=5, help="kills before a trial is left to finish (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return report(args.kills, args.per_trial, random.Random(args.seed), Path(folder))


def report(kills: int, per_trial: int, chance: random.Random, folder: Path) -> int:
    """Run all trials; returns the number of trials that went wrong."""
    started = time.monotonic()
    whole = finished(folder / "whole")
    seconds = time.monotonic() - started
    print(
        f"uninterrupted: {seconds:.1f} s, {whole.answers} prompts, {whole.segments} segments, {len(whole.files)} files"
    )
    done = trial = wrong = extra = 0
    while done < kills:  # a build that was over before its kill does not count
        place, trial = folder / f"trial-{trial}", trial + 1
        landed = sum(killed(place, chance.uniform(0.1, 0.95) * seconds) for _ in range(min(per_trial, kills - done)))
        outcome = finished(place)
        more = outcome.answers - whole.answers + outcome.segments - whole.segments
        fine = outcome.files == whole.files and more <= landed * whole.largest
        done, wrong, extra = done + landed, wrong + (not fine), extra + more
        verdict = "same" if fine else "OTHER"
        print(f"trial {trial}: {landed} kills hit a running build, {more} inputs twice, {verdict} bytes", flush=True)
    print(f"{done} kills, {wrong} trials went wrong; {extra} inputs computed twice, {whole.largest} a kill allowed")
    return wrong


def finished(place: Path) -> Outcome:
    """Run the build to its end."""
    result = subprocess.run(command(place), env=environment(place), capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"the build ended with {result.returncode}: {result.stderr[-500:]}")
    calls = [line.split() for line in (place / "calls").read_text().splitlines()]
    files = {
        str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest() for p in place.glob("out/**/*.parquet")
    }
    return Outcome(
        files,
        sum(int(count) for kind, count in calls if kind == "answers"),
        sum(int(count) for kind, count in calls if kind == "segments"),
        max(int(count) for _, count in calls),
    )


def killed(place: Path, after: float) -> bool:
    """Start the build and kill it `after` seconds; False where it was over before."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "log").open("a") as log:
        process = subprocess.Popen(
            command(place), env=environment(place), stdout=log, stderr=log, start_new_session=True
        )
        try:
            process.wait(timeout=after)
            return False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True


def command(place: Path) -> list[str]:
    return [sys.executable, __file__, "--child", str(place)]


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "MPODATA_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}


def child(place: Path) -> int:
    """The command itself, with every call of the engine and the translator counted."""
    place.mkdir(parents=True, exist_ok=True)
    import mpodata.pipeline.build
    from mpodata.cli import main as mpodata_main
    from mpodata.engines.transformers import TransformersEngine
    from mpodata.translators.nllb import Nllb

    mpodata.pipeline.build.BLOCK = BLOCK
    TransformersEngine.block = BLOCK
    log = os.open(place / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for owner, name in ((TransformersEngine, "answers"), (Nllb, "segments")):
        setattr(owner, name, counting(getattr(owner, name), name, log))
    return mpodata_main([*ARGUMENTS, "--out", str(place / "out")])


def counting(method: Callable[..., Any], name: str, log: int) -> Callable[..., Any]:
    def counted(self: Any, inputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        os.write(log, f"{name} {len(inputs)}\n".encode())  # before the call: what a kill interrupts was paid for
        return method(self, inputs, *args, **kwargs)

    return counted


if __name__ == "__main__":
    sys.exit(child(Path(sys.argv[2])) if sys.argv[1:2] == ["--child"] else main())
