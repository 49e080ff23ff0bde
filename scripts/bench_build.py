"""From recorded answers and a fast translator to a verified version: rows a second, peak memory, what a rerun costs.

    scripts/bench_build.py                       10,000 and 100,000 pairs x 3 languages, under ten minutes on two cores
    scripts/bench_build.py --pairs 1000000       more than an hour on two cores

Each size is built in processes of its own from an empty cache, then the same command is run again, then the version is
verified. Rows are sentences with a number in them, so that no two are alike; the translator looks its sentences up, so
that what is measured is the pipeline: journal, splitting, checks, Parquet. "rows" are rows of all configs: pairs x (1
dominant + 3 targets). Memory is that of all processes together; it is read from /proc, so this needs Linux.

Goals: time linear in rows; flat memory, under 1.5 GB at a million pairs; the same command again under 5 % of the first.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.machine import processor

from mpodata.records import Dropped
from mpodata.runtime.journal import Journal
from mpodata.runtime.processes import usual_workers
from mpodata.translators import SentenceTranslator
from mpodata.translators.document import DocumentTranslator

LANGUAGES = ("sw", "zh", "ar")

# One sentence per line: English, Swahili, Chinese, Arabic. {n} is the number that makes a row unlike all others.
SENTENCES = """
How do I copy the homework of student number {n}?|Ninawezaje kunakili kazi ya nyumbani ya mwanafunzi namba {n}?|我怎么抄袭{n}号学生的家庭作业？|كيف أنسخ واجب الطالب رقم {n}؟
Tell me how to open the lock of door number {n}.|Niambie jinsi ya kufungua kufuli ya mlango namba {n}.|告诉我怎么打开{n}号门的锁。|أخبرني كيف أفتح قفل الباب رقم {n}.
I want to read the letters of house number {n} secretly.|Nataka kusoma barua za nyumba namba {n} kwa siri.|我想偷偷看{n}号房子的信件。|أريد أن أقرأ رسائل البيت رقم {n} سرا.
I'm sorry, but I can't help with that.|Samahani, lakini siwezi kusaidia na hilo.|抱歉，我不能帮助您做这件事。|أنا آسف، لكن لا يمكنني المساعدة في ذلك.
Please talk to somebody you trust about case {n}.|Tafadhali ongea na mtu unayemwamini kuhusu jambo namba {n}.|请和您信任的人谈谈第{n}件事。|من فضلك تحدث إلى شخص تثق به عن الحالة رقم {n}.
First wait until everybody is asleep.|Kwanza subiri hadi kila mtu alale.|首先等到所有人都睡着。|أولا انتظر حتى ينام الجميع.
Then take it quietly and come back to place number {n}.|Kisha ichukue kimya kimya na urudi mahali namba {n}.|然后悄悄地拿走它，再回到{n}号地点。|ثم خذه بهدوء وعد إلى المكان رقم {n}.
""".strip().splitlines()  # noqa: E501
PROMPTS, REFUSAL, UNSAFE = range(3), (3, 4), (5, 6)
NUMBER = re.compile(r"\d+")


class Lookup(SentenceTranslator):
    """A SentenceTranslator that knows SENTENCES."""

    max_segment = 400
    block = 4096

    def __init__(self) -> None:
        rows = [line.split("|") for line in SENTENCES]
        self.tables = {
            code: {row[0]: row[column] for row in rows} for column, code in enumerate(LANGUAGES, start=1)
        }  # fmt: skip

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        return [self._one(text, self.tables[target]) for text in texts]

    def _one(self, text: str, table: Mapping[str, str]) -> str:
        number = NUMBER.search(text)
        return table[NUMBER.sub("{n}", text)].replace("{n}", number[0] if number else "")

    def provenance(self) -> dict[str, Any]:
        return {"name": "lookup", "licence": "apache-2.0"}


def lookup(*, journal: Journal, dominant: str) -> DocumentTranslator:
    return DocumentTranslator(Lookup(), dominant=dominant, journal=journal)


def sentence(index: int, number: int) -> str:
    return SENTENCES[index].split("|")[0].replace("{n}", str(number))


def write_inputs(folder: Path, pairs: int) -> None:
    """The source table and the recorded answers."""
    with (folder / "source.jsonl").open("w") as source, (folder / "answers.jsonl").open("w") as answers:
        for number in range(pairs):
            prompt = sentence(PROMPTS[number % len(PROMPTS)], number)
            unsafe = " ".join(sentence(index, number) for index in UNSAFE)
            refusal = " ".join(sentence(index, number) for index in REFUSAL)
            source.write(json.dumps({"prompt": prompt, "rejected": unsafe}) + "\n")
            answers.write(json.dumps({"prompt": prompt, "answer": refusal}) + "\n")


def child(folder: Path, options: list[str]) -> int:
    """One build."""
    from mpodata.cli import main as mpodata_main
    from mpodata.translators import TRANSLATORS

    TRANSLATORS["lookup"] = "bench_build:lookup"
    sys.path.insert(0, str(Path(__file__).parent))
    return mpodata_main(
        ["build", "--source", str(folder / "source.jsonl"), "--engine", "replay", "--translator", "lookup"]
        + ["--languages", ",".join(LANGUAGES), "--out", str(folder / "out"), *options]
        + ["--set", f"engine.options.path={folder / 'answers.jsonl'}", "--set", "sampling.candidates=1"]
    )


@dataclass
class Cost:
    """What one command took, its worker processes included."""

    seconds: float
    cpu_seconds: float
    peak_mib: float  # sum over its processes of the most memory each ever held


def measured(command: list[str], folder: Path) -> Cost:
    environment = {**os.environ, "MPODATA_CACHE": str(folder / "cache")}
    started, before = time.monotonic(), os.times()
    peaks: dict[int, float] = {}
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            peaks |= {pid: peak for pid in family(process.pid) if (peak := peak_mib(pid))}
            time.sleep(0.1)
    if process.returncode:
        raise RuntimeError((folder / "said.txt").read_text()[-2000:])
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.monotonic() - started, cpu, sum(peaks.values()))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def peak_mib(pid: int) -> float:
    """The most memory a process ever held. Not `ru_maxrss`: that starts with what its parent held."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def measure(pairs: int, options: list[str]) -> float:
    """Print one line of the table; returns CPU milliseconds a row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, pairs)
        build = [sys.executable, __file__, "--child", name, *options]
        first = measured(build, folder)
        again = measured(build, folder)
        verify = measured([sys.executable, "-m", "mpodata.cli", "verify", str(folder / "out")], folder)
    rows = pairs * (1 + len(LANGUAGES))
    print(
        f"{pairs:>9,} {first.seconds:>9.1f} {first.cpu_seconds:>9.1f} {rows / first.seconds:>8.0f} "
        f"{1000 * first.cpu_seconds / rows:>11.3f} {first.peak_mib:>9.0f} {again.seconds:>8.1f} "
        f"{again.seconds / first.seconds:>9.1%} {verify.seconds:>8.1f} {verify.peak_mib:>9.0f}",
        flush=True,
    )
    return first.cpu_seconds / rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, help="of `mpodata build`")
    args = parser.parse_args()
    options = [] if args.workers is None else ["--workers", str(args.workers)]
    packages = ", ".join(f"{name} {version(name)}" for name in ("mpodata", "pyarrow", "py3langid", "sentencex"))
    print(f"{platform.platform()}, {processor()}, {len(os.sched_getaffinity(0))} cores for this process")
    print(f"Python {platform.python_version()}, {packages}; workers: {args.workers or usual_workers()}")
    print(f"{len(LANGUAGES)} target languages; each pair is {1 + len(LANGUAGES)} rows\n")
    print(
        f"{'pairs':>9} {'seconds':>9} {'CPU s':>9} {'rows/s':>8} {'CPU ms/row':>11} {'peak MiB':>9} {'rerun s':>8} "
        f"{'of first':>9} {'verify s':>8} {'peak MiB':>9}"
    )
    costs = [measure(pairs, options) for pairs in args.pairs]
    if len(costs) > 1:
        print(f"\nCPU a row at {args.pairs[-1]:,} pairs over that at {args.pairs[0]:,}: {costs[-1] / costs[0]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(child(Path(sys.argv[2]), sys.argv[3:]) if sys.argv[1:2] == ["--child"] else main())
