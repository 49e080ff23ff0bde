"""Answers of an engine through the journal: what was drawn before is not asked again."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from mpodata.engines import Answer, Engine, Sampling
from mpodata.engines.reasoning import restored
from mpodata.records import Message, user_turn
from mpodata.runtime.journal import Journal


def answer_spec(engine: Engine, sampling: Sampling, system: str | None = None) -> dict[str, Any]:
    """What an answer depends on beside its prompt; `system`: the system message before it, if any."""
    spec = {**engine.provenance(), "sampling": asdict(sampling)}
    return spec if system is None else {**spec, "system": system}


def journaled_answers(
    engine: Engine,
    prompts: Sequence[str],
    sampling: Sampling,
    journal: Journal,
    system: str | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> list[list[Answer]]:
    """`sampling.candidates` answers to each prompt, from the journal where all of them were drawn before.

    done: is told how many prompts were finished.
    """
    before: list[Message] = [] if system is None else [Message(role="system", content=system)]

    def draw(part: list[str]) -> list[list[dict[str, Any]]]:
        drawn = engine.answers([[*before, *user_turn(prompt)] for prompt in part], sampling)
        return [[asdict(answer) for answer in answers] for answers in drawn]

    def complete(answers: list[dict[str, Any]]) -> bool:
        return all(answer["finish"] != "error" for answer in answers)

    spec = answer_spec(engine, sampling, system)
    recorded = journal.through("answer", spec, prompts, draw, block=engine.block, keep=complete, done=done)
    return [[restored(answer) for answer in answers] for answers in recorded]
