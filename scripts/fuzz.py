"""Damage files at random and read them: each is read, or refused in one sentence; never a traceback, never a hang.

    python scripts/fuzz.py --minutes 10
    python scripts/fuzz.py --target readers --seed 17          (one target, from a seed that a finding names)

Targets: versions (manifest, card, Parquet files), journal, readers (tables of all kinds), reviews, evaluations,
recipes.
Every case follows from its seed. What is found is printed with target, seed and the last lines of the traceback.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fuzzing import damage, seeds

from mpodata.errors import MpoError
from mpodata.runtime.journal import Journal

SLOWEST = 20.0  # seconds; a case that takes longer counts as a hang


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that neither was read nor refused in one sentence."""

    target: str
    seed: int
    detail: str  # the end of the traceback

    @property
    def place(self) -> str:
        """The innermost line of this project and the kind of error: one mistake is shown once."""
        lines = self.detail.strip().splitlines()
        ours = [line.strip() for line in lines if "/mpodata/" in line or "/mpotrain/" in line]
        return f"{ours[-1] if ours else ''} {lines[-1].partition(':')[0]}"

    def __str__(self) -> str:
        return f"{self.target}, seed {self.seed}:\n{self.detail}"


def versions(folder: Path, chance: random.Random) -> None:
    """A version with one damaged file: every reader of versions."""
    from mpodata.versions.diff import compare
    from mpodata.versions.load import load
    from mpodata.versions.manifest import read_manifest
    from mpodata.versions.show import rows_of_pair
    from mpodata.versions.verify import problems

    place = seeds.version(folder)
    file = chance.choice([path for path in sorted(place.rglob("*")) if path.is_file()])
    file.write_bytes(damage.json_or_bytes(file.read_bytes(), chance))
    for read in (
        lambda: list(problems(place, read_manifest(place))),
        lambda: [list(load(place).pairs(split)) for split in load(place).splits()],
        lambda: rows_of_pair(load(place), "1"),
        lambda: compare(load(place), load(place)).lines(),
    ):
        _allowed(read)


def journal(folder: Path, chance: random.Random) -> None:
    """A damaged journal gives the results that it gave, or says what to do."""
    inputs = [f"request {number}" for number in range(100)]
    path = folder / "journal.sqlite"

    def answers(values: list[str]) -> list[dict[str, str]]:
        return [{"text": value * 5, "finish": "stop"} for value in values]

    with Journal(path) as written:
        expected = written.through("t", {}, inputs, answers, block=25)
    path.write_bytes(damage.of_bytes(path.read_bytes(), chance))

    def read() -> None:
        with Journal(path) as again:
            assert again.through("t", {}, inputs, answers, block=25) == expected, "other results"

    _allowed(read)


def readers(folder: Path, chance: random.Random) -> None:
    """A damaged table of any kind: as rows, as preference data, as a benchmark."""
    from mpodata.audit.preferences import preferences
    from mpodata.readers.files import LocalFile
    from mpodata.readers.formats import file_rows
    from mpotrain.evaluation.benchmarks import find
    from mpotrain.evaluation.benchmarks.prompts import load_prompts

    path = seeds.table(folder, chance)
    path.write_bytes(damage.json_or_bytes(path.read_bytes(), chance))
    _allowed(lambda: sum(1 for _ in file_rows(LocalFile(str(path)))))
    _allowed(lambda: sum(1 for _ in preferences(str(path)).entries()))
    _allowed(lambda: load_prompts(find(str(path)), path))


def reviews(folder: Path, chance: random.Random) -> None:
    """A reader's file of decisions."""
    from mpodata.review.decisions import read_reviews

    path = seeds.reviews(folder)
    path.write_bytes(damage.json_or_bytes(path.read_bytes(), chance))
    _allowed(lambda: read_reviews(path))


def evaluations(folder: Path, chance: random.Random) -> None:
    """An evaluation's folder: report and the sheet to label."""
    from mpotrain.evaluation.calibration.labels import load_calibration, sample
    from mpotrain.evaluation.folder import read_evaluation
    from mpotrain.evaluation.report.comparison import gather
    from mpotrain.evaluation.report.page import write_report

    place = seeds.evaluation(folder)
    file = chance.choice([path for path in sorted(place.iterdir()) if path.is_file()])
    file.write_bytes(damage.json_or_bytes(file.read_bytes(), chance))
    _allowed(lambda: sample(read_evaluation(place), 10))
    _allowed(lambda: load_calibration(place))
    _allowed(lambda: write_report(gather([place], None), folder / "report.html", published=[], texts=1))


def recipes(folder: Path, chance: random.Random) -> None:
    """A recipe file, and the same text behind --set."""
    from mpodata.recipe import read_recipe

    path = seeds.recipe(folder)
    path.write_bytes(damage.of_bytes(path.read_bytes(), chance))
    _allowed(lambda: read_recipe(path))
    value = path.read_bytes().decode(errors="replace")
    _allowed(lambda: read_recipe(None, [f"sampling={value}"]))


TARGETS: Mapping[str, Callable[[Path, random.Random], None]] = {
    "versions": versions, "journal": journal, "readers": readers, "reviews": reviews, "evaluations": evaluations,
    "recipes": recipes,
}  # fmt: skip


def _allowed(read: Callable[[], object]) -> None:
    """Call `read`; what a user can mend is allowed where it is one sentence."""
    try:
        read()
    except MpoError as error:
        if str(error).count("\n") > 1:
            raise ValueError(f"not one sentence: {error}") from error


def tried(target: str, seed: int) -> Finding | None:
    """One case; None where all was well."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.monotonic()
        try:
            TARGETS[target](Path(folder), random.Random(f"{target} {seed}"))
        except Exception:  # noqa: BLE001 (that nothing else escapes is what is tried)
            return Finding(target, seed, "".join(traceback.format_exc().splitlines(keepends=True)[-16:]))
        seconds = time.monotonic() - began
        return None if seconds <= SLOWEST else Finding(target, seed, f"took {seconds:.0f} s")


def cases(targets: list[str], first: int, until: float, most: int | None) -> Iterator[tuple[str, int]]:
    """(target, seed) in turns, until the time or the number of cases is reached."""
    seed = first
    while time.monotonic() < until and (most is None or seed - first < most):
        for target in targets:
            yield target, seed
        seed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--cases", type=int, help="stop after so many cases of each target")
    parser.add_argument("--target", choices=list(TARGETS), action="append", help="only this one; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    until = time.monotonic() + 60 * args.minutes
    for target, seed in cases(args.target or list(TARGETS), args.seed, until, args.cases):
        counts[target] += 1
        finding = tried(target, seed)
        if finding is not None and finding.place not in seen:
            seen.add(finding.place)
            print(finding, flush=True)
    print(json.dumps({"cases": counts, "findings": len(seen)}))
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
