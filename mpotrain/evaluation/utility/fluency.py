"""Fluency and correctness of answers, each rated 1 to 5 by a chat model: what training cost, as RefusEU measures it.

Prompts come from any table or folder that a benchmark can be: `prompt` and `language`, or a column or file for each
language; 50 in each language, as the paper asks, or --limit. The wording of the judge's prompt is ours, for the paper's
is not published. An empty answer is rated 1 without asking.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mpodata.engines import Engine, Sampling
from mpodata.errors import DataError
from mpodata.languages import languages
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.benchmarks import Benchmark, Prompt
from mpotrain.evaluation.benchmarks.prompts import choose, load_prompts
from mpotrain.evaluation.judges.protocol import ProtocolJudge, inert, prompt
from mpotrain.evaluation.responses import Turns, converse
from mpotrain.evaluation.statistics import bootstrap
from mpotrain.evaluation.utility.harness import Result, Score

TASK: Final = "fluency"
CORRECTNESS: Final = "correctness"
TITLES: Final = {TASK: "Fluency", CORRECTNESS: "Correctness"}
VERSION: Final = 1  # of prompts/fluency.txt and of how replies are read
PROMPTS: Final = 50  # in each language
LOWEST: Final = 1.0  # rating of an empty answer

_RATING: Final = re.compile(r"\W*(fluency|correctness)\W+([1-5])(?:\s*/\s*5)?\W*", re.IGNORECASE)


def questions(place: Path, wanted: Sequence[str] | None, limit: int | None) -> list[Prompt]:
    """The prompts at `place`, in the `wanted` languages; raises DataError where there are none."""
    if not place.exists():
        raise DataError(f"{place}: no such file or folder; {TASK} takes a table of prompts, or a folder of them.")
    prompts, _ = load_prompts(Benchmark(TASK, "Fluency", str(place), "", "", kind="harmless"), place)
    chosen = choose(prompts, wanted, limit or PROMPTS)
    if not chosen:
        has = ", ".join(sorted({prompt.language for prompt in prompts}))
        raise DataError(f"{place}: no prompt in {', '.join(wanted or ())}; it has {has}.")
    return chosen


def run_fluency(
    asked: Sequence[Prompt], engine: Engine, judge: ProtocolJudge, sampling: Sampling, journal: Journal
) -> list[Score]:
    """Two scores for each prompt whose answer was rated; a reply that cannot be read gives none."""
    turns: list[Turns] = [(("user", question.text),) for question in asked]
    answers = [answer.text for answer in converse(engine, turns, replace(sampling, candidates=1), journal)]
    said = [(question, answer) for question, answer in zip(asked, answers, strict=True) if answer.strip()]
    judged: list[Turns] = [(("user", _question(question, answer)),) for question, answer in said]
    replies = converse(judge.engine, judged, judge.sampling, journal)
    rated = {
        id(question): ratings(reply.text) if reply.finish == "stop" else None
        for (question, _), reply in zip(said, replies, strict=True)
    }
    empty = dict.fromkeys(TITLES, LOWEST)
    return [
        Score(task, question.language, question.prompt_id, value)
        for question in asked
        for task, value in (rated.get(id(question), empty) or {}).items()
    ]


def ratings(reply: str) -> dict[str, float] | None:
    """task -> its rating from 1 to 5; None where a reply does not give both, or gives one of them twice."""
    lines = [match for line in reply.splitlines() if (match := _RATING.fullmatch(line))]
    given = {match[1].casefold(): float(match[2]) for match in lines}
    return given if len(lines) == len(TITLES) == len(given) else None


def results(scores: Sequence[Score], judge: ProtocolJudge) -> list[Result]:
    """Mean ratings of each language, with bootstrap intervals over its prompts."""
    keys = dict.fromkeys((score.task, score.language) for score in scores)
    return [
        Result(
            task, TITLES[task], code,
            bootstrap([score.score for score in scores if (score.task, score.language) == (task, code)]),
            VERSION, 0, judge.name,
        )
        for task, code in sorted(keys)
    ]  # fmt: skip


def notes(asked: Sequence[Prompt], scores: Sequence[Score]) -> list[str]:
    """What a reader must know: ratings that could not be read."""
    unread = len(asked) - len(scores) // len(TITLES)
    return [f"{TASK}: {unread} of {len(asked)} ratings could not be read; they are in no mean."] if unread else []


def _question(question: Prompt, answer: str) -> str:
    code = question.language
    name = languages()[code].name if code in languages() else "the request's language"
    return prompt(TASK).format(language=name, prompt=inert(question.text), answer=inert(answer))
