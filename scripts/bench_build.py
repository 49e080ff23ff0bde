"""From recorded answers and a fast translator to a verified version: rows a second, peak memory, what a rerun costs.

    scripts/bench_build.py                       10,000 and 100,000 pairs x 3 languages
    scripts/bench_build.py --pairs 1000000       takes about an hour on two cores

Each size runs in a process of its own, from an empty cache, then again with everything cached. Rows are sentences with
a number in them, so that no two are alike; the translator looks its sentences up, so that what is measured is the
pipeline: journal, splitting, checks, Parquet. "rows" are rows of all configs: pairs x (1 dominant + 3 targets).
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


class Lookup:
    """A SentenceTranslator that knows SENTENCES."""

    max_segment = 400
    block = 4096

    def __init__(self) -> None:
        rows = [line.split("|") for line in SENTENCES]
        self.tables = {
            code: {row[0]: row[column] for row in rows} for column, code in enumerate(LANGUAGES, start=1)
        }  # fmt: skip

    def segments(self, texts, source, target, *, attempt=0):
        return [self._one(text, self.tables[target]) for text in texts]

    def _one(self, text, table):
        number = NUMBER.search(text)
        return table[NUMBER.sub("{n}", text)].replace("{n}", number[0] if number else "")

    def provenance(self):
        return {"name": "lookup", "licence": "apache-2.0"}


def lookup(*, journal, dominant):
    from mpodata.translators.carry import Carried

    return Carried(Lookup(), dominant=dominant, journal=journal)


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


def child(folder: Path) -> int:
    """One build; prints its seconds and the peak memory of this process."""
    from mpodata.cli import main as mpodata_main
    from mpodata.translators import TRANSLATORS

    TRANSLATORS["lookup"] = "bench_build:lookup"
    sys.path.insert(0, str(Path(__file__).parent))
    started = time.monotonic()
    code = mpodata_main(
        ["build", "--source", str(folder / "source.jsonl"), "--engine", "replay", "--translator", "lookup"]
        + ["--languages", ",".join(LANGUAGES), "--out", str(folder / "out")]
        + ["--set", f"engine.options.path={folder / 'answers.jsonl'}", "--set", "sampling.candidates=1"]
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if platform.system() == "Darwin" else 1024)
    print(json.dumps({"seconds": time.monotonic() - started, "peak_mib": peak}))
    return code


def measured(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "MPODATA_CACHE": str(folder / "cache")}
    command = [sys.executable, __file__, "--child", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {len(LANGUAGES)} targets")
    print(f"{'pairs':>9} {'seconds':>9} {'rows/s':>8} {'peak MiB':>9} {'rerun':>7} {'of first':>9}")
    for pairs in args.pairs:
        with tempfile.TemporaryDirectory() as folder:
            write_inputs(Path(folder), pairs)
            first, again = measured(Path(folder)), measured(Path(folder))
        rows = pairs * (1 + len(LANGUAGES))
        share = again["seconds"] / first["seconds"]
        print(
            f"{pairs:>9,} {first['seconds']:>9.1f} {rows / first['seconds']:>8.0f} {first['peak_mib']:>9.0f} "
            f"{again['seconds']:>7.2f} {share:>9.1%}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(child(Path(sys.argv[2])) if sys.argv[1:2] == ["--child"] else main())
