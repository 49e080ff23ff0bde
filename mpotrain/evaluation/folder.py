"""An evaluation on disk: responses, verdicts and, written last, results.json: its presence means complete."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError, DataError
from mpodata.runtime.whole_files import write_text
from mpotrain.evaluation.outcomes import Outcome
from mpotrain.evaluation.shape import fault_of_results, outcome_of
from mpotrain.runs import read_json

SCHEMA = 1
RESULTS = "results.json"
VERDICTS = "verdicts.jsonl"  # one row per judge and answer, without text
RESPONSES = "responses.jsonl"  # prompts and answers: harmful text
STATES = "states.npz"  # last-layer states of held-out responses
ANSWER_TEXTS = ("benchmark", "language", "prompt_id", "prompt", "response")  # of a row of responses.jsonl
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
    before = read_json(out / RESULTS).get("asked")
    if not isinstance(before, dict):
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
    results = read_json(place, finite=True)
    if results.get("schema") != SCHEMA:
        raise DataError(f"{place}: schema {results.get('schema')!r}, this version reads {SCHEMA}. Evaluate again.")
    if (fault := fault_of_results(results)) is not None:
        raise DataError(f"{place}: {fault} is not what `mpotrain eval` writes there. Evaluate again.")
    outcomes: dict[str, list[Outcome]] = {judge["name"]: [] for judge in results["judges"]}
    for number, row in enumerate(read_lines(path / VERDICTS), start=1):
        try:
            outcome = outcome_of(row)
        except ValueError as error:
            raise DataError(f"{path / VERDICTS}, line {number}: {error}. Evaluate again.") from error
        outcomes.setdefault(outcome.judge, []).append(outcome)
    return Evaluation(path, results, outcomes)


def evaluation_folder(path: Path) -> Path:
    """`path`, or the evaluation inside it where `path` is a training run; raises DataError where there is none."""
    for place in (path, path / "eval"):
        if (place / RESULTS).is_file() or (place / RESPONSES).is_file():
            return place
    raise DataError(f"{path} holds no evaluation. Make one with: mpotrain eval --run {path} --benchmarks ...")


def read_lines(path: Path, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file that we wrote; none where there is no file.

    texts, numbers: what every row must hold. Raises DataError for a damaged file.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {number} is not JSON: it was damaged. Evaluate again.") from error
            kinds: dict[str, Any] = {**dict.fromkeys(texts, str), **dict.fromkeys(numbers, (int, float))}
            if not isinstance(row, dict) or not all(isinstance(row.get(key), kind) for key, kind in kinds.items()):
                raise DataError(f"{path}, line {number} is not what belongs there: it was damaged. Evaluate again.")
            yield row


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as JSON lines; the file appears whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """`value` as indented JSON; the file appears whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
