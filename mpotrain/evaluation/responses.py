"""What the model answers: through any engine, greedy by default, journaled so that no answer is paid for twice."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mpodata.engines import Answer, Engine, Sampling
from mpodata.errors import RemoteError
from mpodata.records import Message
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.benchmarks import Prompt

BLOCK = 512  # answers per journal transaction: what a kill can cost

MAX_UNANSWERED_SHARE = 0.05  # share of conversations that may stay without an answer

Turns = tuple[tuple[str, str], ...]  # (role, content): a conversation that can be a journal key


@dataclass(frozen=True, slots=True)
class Response:
    """One prompt and what the model answered."""

    prompt: Prompt
    answer: Answer

    def row(self) -> dict[str, Any]:
        """A row of responses.jsonl. It holds harmful text: for files, never for the screen."""
        asked = {key: value for key, value in asdict(self.prompt).items() if key not in {"text", "expects", "english"}}
        return {**asked, "prompt": self.prompt.text, "response": self.answer.text, "finish": self.answer.finish}


def respond(
    engine: Engine,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    journal: Journal,
    done: Callable[[int], None] = lambda _: None,
) -> list[Response]:
    """One answer per prompt, in order. Prompts asked before (by any evaluation of this model) are not asked again."""
    turns: list[Turns] = [(("user", prompt.text),) for prompt in prompts]
    answers = converse(engine, turns, sampling, journal, done)
    return [Response(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


def converse(
    engine: Engine,
    conversations: Sequence[Turns],
    sampling: Sampling,
    journal: Journal,
    done: Callable[[int], None] = lambda _: None,
) -> list[Answer]:
    """The first answer to each conversation. An answer that ended in an error is asked for again by the next run.

    Raises RemoteError where a server answers nothing, unless all but a few answers are known already: what a server
    refuses for good must not keep an evaluation from finishing.
    """

    def compute(part: list[Turns]) -> list[dict[str, Any]]:
        messages = [[Message(role=role, content=content) for role, content in turns] for turns in part]
        try:
            return [asdict(candidates[0]) for candidates in engine.answers(messages, sampling)]
        except RemoteError:
            if len(part) > MAX_UNANSWERED_SHARE * len(conversations):
                raise
            return [asdict(Answer("", "error"))] * len(part)

    spec = {"engine": engine.provenance(), "sampling": asdict(sampling)}
    rows = journal.through(
        "response", spec, conversations, compute, block=BLOCK, keep=lambda row: row["finish"] != "error", done=done
    )
    return [Answer(**row) for row in rows]
