"""X-AlpacaEval: win rate against a baseline's answers in many languages, plain and length-controlled.

The folder holds the instructions as LIDR and ICR publish them: one list per language, `data/sw.json` or `sw.json`, rows
of `id`, `dataset`, `instruction`; beside them, or named with --data, AlpacaEval's `df_gamed.csv` and
`instruction_difficulty.csv`, which the published length-controlled rate needs. Without them the rate is AlpacaEval's
minimal variant, and its title says so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mpodata.engines import Engine, Sampling
from mpodata.errors import DataError
from mpodata.languages.labels import language_code
from mpodata.readers.conversation import answer_text, prompt_text
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.benchmarks.tables import SUFFIXES
from mpotrain.evaluation.judges.pairwise import VERSION, Contest, PairwiseJudge
from mpotrain.evaluation.responses import Turns, converse
from mpotrain.evaluation.statistics import bootstrap
from mpotrain.evaluation.utility.harness import Result, Score
from mpotrain.evaluation.utility.length_control import FOLDS, Gamed, length_controlled

TASK: Final = "x-alpacaeval"
CONTROLLED: Final = "x-alpacaeval-lc"
GAMED: Final = "df_gamed"  # a file's stem, and its name in --data
DIFFICULTY: Final = "instruction_difficulty"
ANSWER_TOKENS: Final = 2048  # both papers'; a larger --max-tokens is kept
PROMPTS: Final = ("instruction", "prompt", "question")
FEATURES: Final = ("preference", "std_delta_len", "instruction_difficulty")  # of Gamed, in its order
ANSWERS: Final = ("output", "answer", "response", "completion")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of the set in one language."""

    language: str
    position: int  # in AlpacaEval's English set, from 0: what its difficulty is looked up by
    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One instruction with the answers that were compared: a row of x-alpacaeval.jsonl."""

    language: str
    position: int
    instruction: str
    output: str  # the model's answer
    generator: str  # the model
    baseline: str | None  # the other answer; None for the model against itself
    preference: float | None  # 1 to 2; None where the judge's reply could not be read

    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Regression:
    """What the published length control needs."""

    difficulties: Mapping[int, float]  # position -> difficulty
    gamed: Gamed


def instructions(folder: Path, wanted: Sequence[str] | None, limit: int | None) -> list[Instruction]:
    """The instructions in the files of `folder`, a language each; raises DataError where there are none."""
    files = sorted({*folder.glob("*.json"), *(folder / "data").glob("*.json")})
    by_language = {code: path for path in files if (code := language_code(path.stem)) is not None}
    asked: list[Instruction] = []
    for code, path in by_language.items():
        if not wanted or code in wanted:
            asked += _instructions(path, code)[:limit]
    if not asked:
        has = ", ".join(sorted(by_language)) or "no file named after a language, as sw.json"
        raise DataError(
            f"{folder}: no X-AlpacaEval instructions in {', '.join(wanted or ('any language',))}; has {has}."
        )
    return asked


def baseline_answers(place: Path, asked: Sequence[Instruction]) -> list[str]:
    """The baseline's answer to each of `asked`, found by the instruction's text in the file or the files of `place`.

    Rows hold the instruction (`instruction`, `prompt`) and the answer (`output`, `answer`, `response`), as AlpacaEval's
    outputs do. Raises DataError where an instruction has no answer.
    """
    answers: dict[str, str] = {}
    files = sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES) if place.is_dir() else [place]
    for path in files:
        for row in Upstream(str(path)).rows():
            if not isinstance(row, Dropped) and (pair := _answer_in(row)):
                answers[pair[0]] = pair[1]
    missing = [instruction for instruction in asked if instruction.text.strip() not in answers]
    if missing:
        codes = ", ".join(dict.fromkeys(instruction.language for instruction in missing))
        raise DataError(
            f"{place} has no answer to {len(missing)} of {len(asked)} instructions (in {codes}). A baseline must have "
            "answered the same instructions: rows of instruction and output."
        )
    return [answers[instruction.text.strip()] for instruction in asked]


def regression(folder: Path, places: Mapping[str, str]) -> Regression | None:
    """AlpacaEval's two files, named in `places` or in `folder`; None where there are none; raises DataError."""
    named = {name: Path(places[name]) if name in places else folder / f"{name}.csv" for name in (GAMED, DIFFICULTY)}
    here = {name: path for name, path in named.items() if name in places or path.is_file()}
    if not here:
        return None
    if GAMED not in here:
        raise DataError(f"{here[DIFFICULTY]}: length control needs {GAMED}.csv of tatsu-lab/alpaca_eval too.")
    rows = _table(here[GAMED], ("index", *FEATURES))
    difficulties = {int(row["index"]): row["instruction_difficulty"] for row in reversed(rows)}  # the first one counts
    gamed = Gamed(*(np.array([row[name] for row in rows]) for name in FEATURES))
    if DIFFICULTY in here:
        listed = [row for row in Upstream(str(here[DIFFICULTY])).rows() if not isinstance(row, Dropped)]
        try:
            index = next(name for name in ("index", "0") if name in listed[0])  # pandas leaves it without a name
            difficulties = {int(float(str(row[index]))): float(str(row[DIFFICULTY])) for row in listed}
        except (KeyError, ValueError, StopIteration) as error:
            raise DataError(
                f"{here[DIFFICULTY]}: rows must be an index without a name and {DIFFICULTY}, as published."
            ) from error
    return Regression(difficulties, gamed)


def compare(
    asked: Sequence[Instruction],
    baselines: Sequence[str] | None,
    engine: Engine,
    generator: str,
    judge: PairwiseJudge,
    sampling: Sampling,
    journal: Journal,
) -> list[Answered]:
    """The model's answers and the judge's preferences; baselines None: the model against itself, ties throughout."""
    sampling = replace(sampling, max_tokens=max(sampling.max_tokens, ANSWER_TOKENS))
    turns: list[Turns] = [(("user", instruction.text),) for instruction in asked]
    outputs = [answer.text for answer in converse(engine, turns, sampling, journal)]
    preferences: list[float | None] = [1.5] * len(asked)
    if baselines is not None:
        rows = zip(asked, outputs, baselines, strict=True)
        preferences = judge.preferences([Contest(one.language, one.text, mine, base) for one, mine, base in rows])
    return [
        Answered(one.language, one.position, one.text, output, generator, baselines[place] if baselines else None, seen)
        for place, (one, output, seen) in enumerate(zip(asked, outputs, preferences, strict=True))
    ]


def scores(answered: Sequence[Answered], controls: Regression | None) -> list[Score]:
    """Two scores per instruction, 0 to 1: the preference, and what it would be with both answers of one length."""
    rows: list[Score] = []
    for code in dict.fromkeys(row.language for row in answered):
        mine = [row for row in answered if row.language == code and row.preference is not None]
        rows += [Score(TASK, code, str(row.position + 1), _preference(row) - 1) for row in mine]
        if len(mine) >= FOLDS:
            controlled = _controlled(mine, controls)
            rows += [
                Score(CONTROLLED, code, str(row.position + 1), float(value))
                for row, value in zip(mine, controlled, strict=True)
            ]
    return rows


def results(rows: Sequence[Score], judge: PairwiseJudge, controls: Regression | None) -> list[Result]:
    """Win rates per language; intervals resample instructions."""
    titles = {
        TASK: "X-AlpacaEval, win rate",
        CONTROLLED: "X-AlpacaEval, length-controlled win rate"
        + ("" if controls else " (minimal: no difficulty, no gamed rows)"),
    }
    keys = dict.fromkeys((row.task, row.language) for row in rows)
    return [
        Result(
            task, titles[task], code,
            bootstrap([row.score for row in rows if (row.task, row.language) == (task, code)]), VERSION, 0, judge.name,
        )
        for task, code in keys
    ]  # fmt: skip


def notes(answered: Sequence[Answered]) -> list[str]:
    """What a reader must know: preferences that could not be read, languages too small for length control."""
    told = []
    unread = sum(row.preference is None for row in answered)
    if unread:
        told.append(f"{TASK}: {unread} of {len(answered)} preferences could not be read; they are in no win rate.")
    counts = {code: sum(row.language == code for row in answered) for code in {row.language for row in answered}}
    small = sorted(code for code, count in counts.items() if count < FOLDS)
    if small:
        told.append(f"{TASK}: fewer than {FOLDS} instructions in {', '.join(small)}: no length-controlled rate there.")
    return told


def _controlled(rows: Sequence[Answered], controls: Regression | None) -> Sequence[float]:
    preferences = [_preference(row) for row in rows]
    lengths = [len(row.output) for row in rows]
    base = [len(row.output if row.baseline is None else row.baseline) for row in rows]
    if controls is None:
        return [float(value) for value in length_controlled(preferences, base, lengths)]
    unknown = [row.position + 1 for row in rows if row.position not in controls.difficulties]
    if unknown:
        raise DataError(f"{DIFFICULTY}.csv has no difficulty for instruction {unknown[0]}: is it of another set?")
    difficulties = [controls.difficulties[row.position] for row in rows]
    return [float(value) for value in length_controlled(preferences, base, lengths, difficulties, controls.gamed)]


def _preference(row: Answered) -> float:
    assert row.preference is not None
    return row.preference


def _instructions(path: Path, code: str) -> list[Instruction]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not JSON ({error}).") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("instruction") for row in rows):
        raise DataError(f"{path}: X-AlpacaEval is a list of rows with `id` and `instruction`.")
    ids = [row.get("id") for row in rows]
    if all(number is None for number in ids):
        ids = list(range(1, len(rows) + 1))  # AlpacaEval's own file: its order is the set's
    if not all(isinstance(number, int) and number >= 1 for number in ids) or len(set(ids)) < len(ids):
        raise DataError(f"{path}: every `id` must be another whole number, its place in AlpacaEval's 805 from 1.")
    return [Instruction(code, number - 1, str(row["instruction"])) for number, row in zip(ids, rows, strict=True)]


def _answer_in(row: Mapping[str, Any]) -> tuple[str, str] | None:
    asked = next((prompt_text(row[name]) for name in PROMPTS if row.get(name)), None)
    answer = next((answer_text(row[name]) for name in ANSWERS if row.get(name) is not None), None)
    return (asked.strip(), answer) if isinstance(asked, str) and isinstance(answer, str) else None


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, float]]:
    rows = [row for row in Upstream(str(path)).rows() if not isinstance(row, Dropped)]
    try:
        return [{name: float(str(row[name])) for name in columns} for row in rows]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: every row must have numbers in {', '.join(columns)}.") from error
