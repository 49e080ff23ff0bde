"""MT-Bench (Zheng et al. 2023): two turns, each rated 1 to 10 by a chat model, with the benchmark's own judge prompts.

The folder holds FastChat's files: question.jsonl (or one per language: mt_bench_bengali.question.jsonl) and
judge_prompts.jsonl. A deviation from FastChat: answers are greedy in every category, so that two runs can be compared.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.engines import Engine, Sampling
from mpodata.errors import DataError
from mpodata.languages import languages
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges.protocol import ProtocolJudge
from mpotrain.evaluation.responses import Turns, converse
from mpotrain.evaluation.statistics import bootstrap
from mpotrain.evaluation.utility.harness import Result, Score

TASK = "mt-bench"
VERSION = 1  # of how this file asks and reads ratings
WITH_REFERENCE = {"math", "reasoning", "coding"}  # categories that the judge sees a reference answer for
PROMPTS = "judge_prompts.jsonl"
RATING = re.compile(r"\[\[(\d+(?:\.\d+)?)\]\]")


@dataclass(frozen=True, slots=True)
class Question:
    """Two turns asked of the model."""

    language: str
    question_id: str
    category: str
    turns: tuple[str, str]
    reference: tuple[str, str] | None


def questions(folder: Path, wanted: Sequence[str] | None, limit: int | None) -> list[Question]:
    """The questions of every `*question.jsonl` in `folder`; raises DataError where there are none."""
    found: list[Question] = []
    for path in sorted(folder.glob("*question.jsonl")):
        rows = [_question(path, number, row) for number, row in enumerate(_lines(path), start=1)]
        if rows and (not wanted or rows[0].language in wanted):
            found += rows[:limit]
    if not found:
        raise DataError(f"{folder}: no question.jsonl in {', '.join(wanted or ('any language',))} (FastChat's files).")
    return found


def run_mt_bench(
    asked: Sequence[Question], folder: Path, engine: Engine, judge: ProtocolJudge, sampling: Sampling, journal: Journal
) -> list[Score]:
    """One rating per question and turn; a rating that cannot be read is left out."""
    first: list[Turns] = [(("user", question.turns[0]),) for question in asked]
    answers = [answer.text for answer in converse(engine, first, sampling, journal)]
    second: list[Turns] = [
        (("user", question.turns[0]), ("assistant", answer), ("user", question.turns[1]))
        for question, answer in zip(asked, answers, strict=True)
    ]
    followed = [answer.text for answer in converse(engine, second, sampling, journal)]
    prompts = judge_prompts(folder)
    turns: list[Turns] = []
    keys: list[tuple[Question, int]] = []
    for question, one, two in zip(asked, answers, followed, strict=True):
        for turn in (1, 2):
            turns.append(_judged(prompts, question, (one, two), turn))
            keys.append((question, turn))
    ratings = [rating(answer.text) for answer in converse(judge.engine, turns, judge.sampling, journal)]
    return [
        Score(TASK, question.language, f"{question.question_id}/{turn}", value)
        for (question, turn), value in zip(keys, ratings, strict=True)
        if value is not None
    ]


def results(scores: Sequence[Score], judge: ProtocolJudge) -> list[Result]:
    """Mean rating per language over both turns, with a bootstrap interval."""
    codes = dict.fromkeys(score.language for score in scores)
    return [
        Result(
            TASK, "MT-Bench", code, bootstrap([s.score for s in scores if s.language == code]), VERSION, 0, judge.name
        )
        for code in codes
    ]


def rating(reply: str) -> float | None:
    """The rating in the judge's [[double brackets]]; None unless there is exactly one, from 1 to 10."""
    found = RATING.findall(reply)
    value = float(found[0]) if len(found) == 1 else 0.0
    return value if 1 <= value <= 10 else None


def judge_prompts(folder: Path) -> dict[str, Mapping[str, str]]:
    """FastChat's judge prompts by name; raises DataError where the file or one of the four is missing."""
    path = folder / PROMPTS
    if not path.is_file():
        raise DataError(f"{folder}: MT-Bench needs {PROMPTS} beside the questions (FastChat, llm_judge/data).")
    found: dict[str, Mapping[str, str]] = {row["name"]: row for row in _lines(path)}
    for name in ("single-v1", "single-math-v1", "single-v1-multi-turn", "single-math-v1-multi-turn"):
        if name not in found:
            raise DataError(f"{path}: no prompt called {name!r}.")
    return found


def _judged(prompts: Mapping[str, Mapping[str, str]], question: Question, answers: tuple[str, str], turn: int) -> Turns:
    name = f"single{'-math' if question.reference else ''}-v1{'-multi-turn' if turn == 2 else ''}"
    fields = {
        "question": question.turns[0],
        "answer": answers[0],
        "question_1": question.turns[0],
        "answer_1": answers[0],
        "question_2": question.turns[1],
        "answer_2": answers[1],
    }
    if question.reference:
        fields |= {"ref_answer_1": question.reference[0], "ref_answer_2": question.reference[1]}
    prompt = prompts[name]
    text = prompt["prompt_template"]
    # Not str.format: the texts hold braces of their own, and a field's text must not be filled in again.
    text = re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], match[0]), text)
    return (("system", prompt["system_prompt"]), ("user", text))


def _question(path: Path, number: int, row: Mapping[str, Any]) -> Question:
    turns = row.get("turns")
    if not isinstance(turns, list) or len(turns) != 2:
        raise DataError(f"{path}, line {number}: a question must have two turns.")
    category = str(row.get("category", ""))
    reference = row.get("reference")
    known = category in WITH_REFERENCE and isinstance(reference, list) and len(reference) == 2
    name = str(row.get("lang", "English"))
    code = next((known.code for known in languages().values() if known.name.casefold() == name.casefold()), "en")
    return Question(
        code,
        str(row.get("question_id", number)),
        category,
        (str(turns[0]), str(turns[1])),
        (str(reference[0]), str(reference[1])) if known and reference else None,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
