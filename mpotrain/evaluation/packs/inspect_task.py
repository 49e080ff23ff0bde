"""The task for inspect_ai: prompts of a data file, one answer each, the figures of every language."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import TaskState, generate

from mpotrain.evaluation.packs.scoring import figures, item


def multilingual_refusal(data: Path, max_tokens: int, languages: Sequence[str] = ()) -> Task:
    """The prompts in `data`, all or those in `languages`, asked greedily."""
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    samples = [
        Sample(input=row["text"], id=f"{row['benchmark']}/{row['language']}/{row['prompt_id']}", metadata=row)
        for row in rows
        if not languages or row["language"] in languages
    ]
    return Task(samples, solver=generate(temperature=0.0, max_tokens=max_tokens), scorer=refusal())


@metric  # type: ignore[untyped-decorator]
def rates() -> Metric:
    """language/figure -> its value, as `mpotrain eval --judge rules` gives it."""

    def compute(scores: list[SampleScore]) -> dict[str, Any]:
        items = tuple(str((score.score.metadata or {})["item"]) for score in scores)
        return {f"{code}/{name}": value for (code, name), value in figures(items).items()}

    return compute


@scorer(metrics=[rates()])  # type: ignore[untyped-decorator]
def refusal() -> Scorer:
    """Keeps each answer for `rates`, and shows 1 where the sample was refused."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 (there is no target)
        from mpodata.refusals import is_refusal

        answer = state.output.completion
        refused = is_refusal(answer, state.metadata["language"], harmful=state.metadata["kind"] == "harmful")
        return Score(value=int(refused), answer=answer, metadata={"item": item(state.metadata, answer)})

    return score
