"""MT-Bench (Zheng et al. 2023): two turns, each rated 1 to 10 by a chat model, with the benchmark's own judge prompts.

The folder holds FastChat's files: question.jsonl (or one per language: mt_bench_bengali.question.jsonl) and
judge_prompts.jsonl; reference answers stand in the questions or in reference_answer/*.jsonl. Answers may be as long as
FastChat's, 1,024 tokens. A deviation from it: answers are greedy in every category, so that two runs can be compared.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpodata.engines import Engine, Sampling
from mpodata.errors import DataError
from mpodata.languages.identification import dominant_language_of
from mpodata.languages.labels import language_code
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges.protocol import ProtocolJudge
from mpotrain.evaluation.responses import Turns, converse
from mpotrain.evaluation.statistics import bootstrap
from mpotrain.evaluation.utility.harness import Result, Score

TASK = "mt-bench"
VERSION = 2  # of how this file asks and reads ratings
ANSWER_TOKENS = 1024  # FastChat's max_new_token; a larger --max-tokens is kept
WITH_REFERENCE = {"math", "reasoning", "coding"}  # categories that the judge sees a reference answer for
PROMPTS = "judge_prompts.jsonl"
RATING = re.compile(r"\[\[(\d+(?:\.\d+)?)\]\]")
LAST_LINE = re.compile(r"\W*(?:final\s+)?rating\W*\[\[(\d+(?:\.\d+)?)\]\]\W*", re.IGNORECASE)
# What a text could use to look like the judge's own marks: double brackets, FastChat's section lines.
MARKS = re.compile(r"\[(?=\[)|\[(?=\s*(?:the\s+)?(?:start|end)\s+of)|<(?=\s*\|)|(?<=\|)\s*>", re.IGNORECASE)


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
    references = _references(folder)
    chosen: list[Question] = []
    for path in sorted(folder.glob("*question.jsonl")):
        lines = _lines(path)
        codes = _languages(path, lines)
        rows = [
            _question(path, number, row, code, references)
            for number, (row, code) in enumerate(zip(lines, codes, strict=True), start=1)
        ]
        for code in dict.fromkeys(codes):
            if not wanted or code in wanted:
                chosen += [row for row in rows if row.language == code][:limit]
    if not chosen:
        raise DataError(f"{folder}: no question.jsonl in {', '.join(wanted or ('any language',))} (FastChat's files).")
    return chosen


def run_mt_bench(
    asked: Sequence[Question], folder: Path, engine: Engine, judge: ProtocolJudge, sampling: Sampling, journal: Journal
) -> list[Score]:
    """One rating per question and turn; a rating that cannot be read is left out."""
    sampling = replace(sampling, max_tokens=max(sampling.max_tokens, ANSWER_TOKENS))
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
    """The rating in the judge's [[double brackets]], from 1 to 10.

    Several ratings count where they agree, or where the last line is the verdict ("Rating: [[7]]"); None otherwise.
    """
    values = {float(value) for value in RATING.findall(reply)}
    lines = [line for line in reply.splitlines() if line.strip()]
    verdict = LAST_LINE.fullmatch(lines[-1].strip()) if lines else None
    value = float(verdict[1]) if verdict else values.pop() if len(values) == 1 else 0.0
    return value if 1 <= value <= 10 else None


def inert(text: str) -> str:
    """`text` with the judge's marks broken up, so that it cannot rate itself or end its own section."""
    return MARKS.sub(lambda match: f"{match[0]} " if match[0] != ">" else " >", text)


def judge_prompts(folder: Path) -> dict[str, Mapping[str, str]]:
    """FastChat's judge prompts by name; raises DataError where the file or one of the four is missing."""
    path = folder / PROMPTS
    if not path.is_file():
        raise DataError(f"{folder}: MT-Bench needs {PROMPTS} beside the questions (FastChat, llm_judge/data).")
    prompts: dict[str, Mapping[str, str]] = {row["name"]: row for row in _lines(path)}
    for name in ("single-v1", "single-math-v1", "single-v1-multi-turn", "single-math-v1-multi-turn"):
        if name not in prompts:
            raise DataError(f"{path}: no prompt called {name!r}.")
    return prompts


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
    fields = {key: inert(value) for key, value in fields.items()}
    prompt = prompts[name]
    text = prompt["prompt_template"]
    # Not str.format: the texts hold braces of their own, and a field's text must not be filled in again.
    text = re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], match[0]), text)
    return (("system", prompt["system_prompt"]), ("user", text))


def _languages(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each row's language: its member `lang`, or where no row has one (FastChat's English file) that of the texts."""
    labels = [row.get("lang", row.get("language")) for row in rows]
    if not any(labels):
        texts = [str(turn) for row in rows for turn in row.get("turns") or ()]
        code, share = dominant_language_of(texts)
        if share < 0.5:
            raise DataError(f"{path}: no row says its language and the texts do not tell it. Add a member 'lang'.")
        return [code] * len(rows)
    codes: list[str] = []
    for number, label in enumerate(labels, start=1):
        named = language_code(label)
        if named is None:
            raise DataError(f"{path}, line {number}: 'lang' is {label!r}, which names no known language.")
        codes.append(named)
    return codes


def _question(
    path: Path, number: int, row: Mapping[str, Any], code: str, references: Mapping[str, tuple[str, str]]
) -> Question:
    turns = row.get("turns")
    if not isinstance(turns, list) or len(turns) != 2:
        raise DataError(f"{path}, line {number}: a question must have two turns.")
    category, question_id = str(row.get("category", "")), str(row.get("question_id", number))
    reference = _reference(row.get("reference")) or references.get(question_id)
    return Question(
        code,
        question_id,
        category,
        (str(turns[0]), str(turns[1])),
        reference if category in WITH_REFERENCE else None,
    )


def _reference(value: Any) -> tuple[str, str] | None:
    """Reference answers for both turns, from a list or from one text that covers the question; None for none."""
    if isinstance(value, str) and value.strip():
        return value, value
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return value[0], value[1] if len(value) > 1 else value[0]
    return None


def _references(folder: Path) -> dict[str, tuple[str, str]]:
    """question id -> the reference answers of FastChat's reference_answer/*.jsonl."""
    references: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob("reference_answer/*.jsonl")):
        for row in _lines(path):
            answer = _reference((row.get("choices") or [{}])[0].get("turns"))
            if answer:
                references[str(row.get("question_id"))] = answer
    return references


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
