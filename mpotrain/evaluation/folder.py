"""An evaluation on disk: responses, verdicts and, written last, results.json: its presence means complete."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError, DataError
from mpodata.runtime.whole_files import write_text
from mpotrain.evaluation.outcomes import Outcome

SCHEMA = 1
RESULTS = "results.json"
VERDICTS = "verdicts.jsonl"  # one row per judge and answer, without text
RESPONSES = "responses.jsonl"  # prompts and answers: harmful text
STATES = "states.npz"  # last-layer states of held-out responses
UTILITY = "utility.jsonl"  # the score of every question of the utility tasks
COMPARED = "x-alpacaeval.jsonl"  # instructions, both answers and the preference


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation, read back."""

    path: Path
    results: Mapping[str, Any]
    outcomes: Mapping[str, list[Outcome]]  # judge -> what it said of every answer

    @property
    def main_judge(self) -> str:
        """The judge whose verdicts make the numbers; the others are for agreement."""
        return str(self.results["judges"][0]["name"])

    @property
    def verdicts(self) -> list[Outcome]:
        """The main judge's."""
        return self.outcomes.get(self.main_judge, [])

    @property
    def title(self) -> str:
        """What reports call it."""
        return str(self.results["model"]["title"])


def refuse_another(out: Path, asked: Mapping[str, Any]) -> None:
    """Raise ConfigError where the folder `out` holds a finished evaluation other than the one that is `asked` for.

    The same one may be run again: its answers come from the journal. An evaluation of an earlier release, which does
    not say what was asked, is not overwritten either.
    """
    if not (out / RESULTS).is_file():
        return
    before = json.loads((out / RESULTS).read_text(encoding="utf-8")).get("asked")
    if before is None:
        raise ConfigError(f"{out} holds a finished evaluation. Choose another --out, or remove that folder.")
    asked = json.loads(json.dumps(asked))
    changed = [name for name in asked if before.get(name) != asked[name]]
    if changed:
        told = "; ".join(f"{name} {_said(before.get(name))} (now {_said(asked[name])})" for name in changed)
        raise ConfigError(f"{out} holds the evaluation of {told}. Choose another --out, or remove that folder.")


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and value else str(value or "none")


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in folder `path`; raises DataError where there is none or it never finished."""
    place = path / RESULTS
    if not place.is_file():
        state = "did not finish: run the same `mpotrain eval` again" if (path / RESPONSES).exists() else "has none"
        raise DataError(f"{path}: an evaluation folder holds {RESULTS}; this one {state}.")
    results = json.loads(place.read_text(encoding="utf-8"))
    if results.get("schema") != SCHEMA:
        raise DataError(f"{place}: schema {results.get('schema')!r}, this version reads {SCHEMA}. Evaluate again.")
    outcomes: dict[str, list[Outcome]] = {judge["name"]: [] for judge in results["judges"]}
    for row in read_lines(path / VERDICTS):
        outcomes.setdefault(row["judge"], []).append(Outcome.of_row(row))
    return Evaluation(path, results, outcomes)


def evaluation_folder(path: Path) -> Path:
    """`path`, or the evaluation inside it where `path` is a training run; raises DataError where there is none."""
    for place in (path, path / "eval"):
        if (place / RESULTS).is_file() or (place / RESPONSES).is_file():
            return place
    raise DataError(f"{path} holds no evaluation. Make one with: mpotrain eval --run {path} --benchmarks ...")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file that we wrote; none where there is no file."""
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as JSON lines; the file appears whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """`value` as indented JSON; the file appears whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
