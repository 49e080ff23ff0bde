"""Rows a second of `mpodata audit`: of the whole command, start included.

    scripts/bench_audit.py --data ../shared/data [--files FILE|REF ...]     five minutes on two quiet cores

Audits the MPO authors' released file, PKU-SafeRLHF pairs, and rows made of NTREX (three neighbouring sentences as
prompt and answers, English and nine languages side by side), in one process and in one for each core. The reports must
be the same bytes. The best of the runs counts, as other work on the machine only takes time away; the first run, which
unpacks the language model into the cache folder, is not counted.

Goal: 300 rows a CPU second in one process.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.machine import processor

from mpodata.runtime.processes import usual_workers

RELEASED, PKU = "preference/mpo_released_llama.json", "preference/pku_saferlhf_pairs_5k.json"
NTREX = {
    "en": "src.eng", "ar": "ref.arb", "bn": "ref.ben", "it": "ref.ita", "ja": "ref.jpn", "ko": "ref.kor",
    "sw": "ref.swa", "th": "ref.tha", "vi": "ref.vie", "zh": "ref.zho-CN",
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one audit took, its worker processes included."""

    rows: int
    seconds: float
    cpu_seconds: float
    report: str  # hash of what was printed


def audited(data: str, workers: int) -> Cost:
    """One `mpodata audit`, in a process of its own."""
    started, before = time.monotonic(), os.times()
    command = [sys.executable, "-m", "mpodata.cli", "audit", data, "--json", "--workers", str(workers)]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(sum(json.loads(printed)["rows"].values()), seconds, cpu, hashlib.sha256(printed).hexdigest())


def write_ntrex(folder: Path, path: Path) -> None:
    """Rows of three neighbouring sentences, the languages of a row beside each other."""
    lines = {
        code: (folder / f"newstest2019-{name}.txt").read_text(encoding="utf-8").splitlines()
        for code, name in NTREX.items()
    }
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(lines["en"]) - 2, 3):
            for code, sentences in lines.items():
                texts = dict(zip(("prompt", "chosen", "rejected"), sentences[start : start + 3], strict=True))
                file.write(json.dumps({"id": start, "language": code, **texts}, ensure_ascii=False) + "\n")


def inputs(data: Path | None, others: list[str], work: Path) -> Iterator[tuple[str, str]]:
    """What each input is called, and where it is."""
    if data is not None:
        write_ntrex(data / "parallel" / "ntrex", work / "ntrex.jsonl")
        yield "released by the MPO authors", str(data / RELEASED)
        yield "PKU-SafeRLHF, English", str(data / PKU)
        yield "NTREX, ten languages", str(work / "ntrex.jsonl")
    yield from ((other, other) for other in others)


def measure(name: str, path: str, runs: int, workers: int) -> None:
    """Print one line of the table."""
    alone = [audited(path, 1) for _ in range(runs)]
    several = [audited(path, workers) for _ in range(runs)]
    if len({cost.report for cost in (*alone, *several)}) > 1:
        raise RuntimeError(f"{name}: the reports of 1 and {workers} processes differ.")
    rows, cpu = alone[0].rows, min(cost.cpu_seconds for cost in alone)
    clock, clock_of_several = (min(cost.seconds for cost in costs) for costs in (alone, several))
    print(
        f"{name:<30} {rows:>6,} {rows / cpu:>10.0f} {rows / clock:>10.0f} {rows / clock_of_several:>12.0f}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with preference/ and parallel/ntrex/")
    parser.add_argument("--files", nargs="*", default=[], metavar="FILE|REF", help="other data to audit")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=usual_workers(), help="processes (default: one for each core)")
    options = parser.parse_args()
    if options.data is None and not options.files:
        parser.error("name --data or --files")
    print(f"{platform.platform()}, {processor()}, {len(os.sched_getaffinity(0))} cores for this process")
    print(f"{'':<30} {'rows':>6} {'rows/CPU s':>10} {'rows/s':>10} {f'{options.workers} processes':>12}")
    with tempfile.TemporaryDirectory() as work:
        named = list(inputs(options.data, options.files, Path(work)))
        audited(named[0][1], 1)  # unpacks the language model
        for name, path in named:
            measure(name, path, options.runs, options.workers)


if __name__ == "__main__":
    main()
