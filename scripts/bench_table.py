"""The table of speeds in docs/results.md: every bench several times; medians with the lowest and the highest.

    python scripts/bench_table.py [--data ../shared/data] [--runs 5] [--write]

Takes an hour and a half on two cores on which nothing else runs. Only the first run measures memory and Ray.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.nllb_shapes import environment

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
PAGE = HERE.parent / "docs" / "results.md"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
PAIRS = ("2", "8")  # a forward
TRAINED = ("authors", "trl-precomputed", "mpotrain", "mpotrain-grouped")
ROUNDS = "3"  # batches, or turns, of a run

Figures = dict[str, Any]  # what a bench wrote with --json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with preference/ and parallel/ntrex/")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table into docs/results.md")
    options = parser.parse_args()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    said = f"Measured on {today} on {described()}; medians of {options.runs} runs (lowest to highest)."
    lines = [said, "", "| what | against | ratio | command |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as work:
        lines += train_lines([trained(options.data, Path(work), first=run == 0) for run in range(options.runs)])
        lines += translate_lines([translated(options.data, Path(work), first=run == 0) for run in range(options.runs)])
    print("\n".join(lines))
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text("\n".join([before + BEGIN, *lines, END]) + after, encoding="utf-8")


def described() -> str:
    """The machine and the libraries that do the work."""
    import torch

    found = environment()
    versions = ", ".join(f"{name} {found[name]}" for name in ("torch", "transformers", "ctranslate2"))
    return f"{found['cores']} cores of an {found['cpu']} ({torch.backends.cpu.get_cpu_capability()}), {versions}"


def trained(data: Path, work: Path, *, first: bool) -> Figures:
    """One run of bench_train.py."""
    rows = ["--data", str(data / "preference/mpo_released_llama.json"), "--rounds", ROUNDS]
    memory = [] if first else ["--no-memory"]
    return ran("bench_train.py", work, [*rows, "--pairs", *PAIRS, "--candidates", *TRAINED, *memory])


def translated(data: Path, work: Path, *, first: bool) -> Figures:
    """One run of bench_translate.py; its models are made once."""
    common = ["--data", str(data / "parallel/ntrex"), "--work", str(work), "--rounds", ROUNDS]
    figures = ran("bench_translate.py", work, [*common, "--part", "headline"])
    return figures | ran("bench_translate.py", work, [*common, "--part", "ray"]) if first else figures


def ran(script: str, work: Path, options: Sequence[str]) -> Figures:
    """What a bench measured; its own report goes to the terminal."""
    out = work / "figures.json"
    subprocess.run([sys.executable, str(HERE / script), *options, "--json", str(out)], check=True)
    figures: Figures = json.loads(out.read_text(encoding="utf-8"))
    return figures


def train_lines(runs: Sequence[Figures]) -> Iterator[str]:
    """The lines of the training step, one size after the other."""
    for pairs in PAIRS:
        tables = [run["pairs"][pairs] for run in runs]
        step, command = f"one MPO step, {pairs} pairs a forward", "scripts/bench_train.py"

        def against(other: str, ours: str = "mpotrain", tables: Sequence[Figures] = tables) -> str:
            return spread(tables, lambda table: table[ours]["tokens_per_s"] / table[other]["tokens_per_s"])

        memory = tables[0]["mpotrain"]["peak_mib"] / tables[0]["authors"]["peak_mib"]
        yield line(step, "the authors' schedule", f"{against('authors')}, {memory:.0%} of its memory", command)
        yield line("the same", "TRL's DPOTrainer with precomputed reference", against("trl-precomputed"), command)
        grouped = against("mpotrain", "mpotrain-grouped")
        yield line("the same, grouped by pair (`--group_by_pair`)", "mpotrain without", grouped, command)
        pace = spread(tables, lambda table: table["floor"]["share"], "{:.0%}")
        yield line("the same", "the pace of one large matrix product", pace, command)


def translate_lines(runs: Sequence[Figures]) -> Iterator[str]:
    """The lines of NLLB's shape and of Ray."""
    command = "scripts/bench_translate.py"
    for name, other in (("transformers", "transformers' generate"), ("plain", "CTranslate2 in plain batches of 32")):
        ratio = spread(runs, lambda run, name=name: run["headline"]["ratios"][f"ours / {name}"])  # type: ignore[misc]
        yield line("256 sentences through NLLB, splitting and checking included", other, ratio, command)
    yield line(
        "two Ray workers, while they translate", "one", f"{runs[0]['ray']['two_to_one']:.2f}x (one run)", command
    )


def spread(runs: Sequence[Figures], ratio: Callable[[Figures], float], form: str = "{:.2f}x") -> str:
    """Median (lowest to highest)."""
    values = [ratio(run) for run in runs]
    median, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({low} to {high})"


def line(*cells: str) -> str:
    *others, command = cells
    return f"| {' | '.join(others)} | `{command}` |"


if __name__ == "__main__":
    main()
