"""Who answers: engines turn conversations into answers of the policy model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from mpodata.records import Message

ENGINES = {
    "transformers": "mpodata.engines.transformers:TransformersEngine",
    "vllm": "mpodata.engines.vllm:VllmEngine",
    "openai": "mpodata.engines.openai:OpenAIEngine",
    "replay": "mpodata.engines.replay:ReplayEngine",
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn. Part of every journal key: other sampling, other answers."""

    candidates: int = 1  # answers per conversation
    temperature: float = 0.0  # 0 is greedy
    top_p: float = 1.0
    max_tokens: int = 512  # new tokens
    repetition_penalty: float = 1.0
    seed: int = 42
    prefix: str = ""  # opens the assistant turn (LIDR primes it with a tag); answers do not repeat it


# How an answer ended: complete; cut at a limit of tokens; withheld by the provider's content filter; never given.
Finish = Literal["stop", "length", "blocked", "error"]

ENGINE_ERROR: Final = "engine-error"  # the drop of an answer that was not given: the next run asks again

# What providers call an answer that their filter withheld.
BLOCKED: Final = frozenset({
    "content_filter", "content_filtered", "safety", "prohibited_content", "blocklist", "recitation", "refusal", "spii",
    "guardrail_intervened", "error_toxic",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer, without the reasoning that led to it (engines.reasoning)."""

    text: str
    finish: Finish  # only "stop" may become a training answer
    tokens: int = 0  # new tokens, those of reasoning included

    @property
    def fault(self) -> str | None:
        """Why it cannot be a training answer, as drops are named; None for a whole one."""
        if self.finish != "stop":
            return {"error": ENGINE_ERROR, "blocked": "blocked"}.get(self.finish, "unfinished")
        return None if self.text.strip() else "empty-answer"


class Engine(Protocol):
    """A policy model that answers. The constructor is cheap: models load at the first call.

    `Answer.finish` is "stop" (complete), "length" (cut at the limit of tokens, or still reasoning), "blocked" (the
    provider's content filter withheld it: final, neither an empty answer nor a cut one) or "error" (not answered: the
    next run asks again).
    """

    block: int  # most conversations between two journal entries: an interrupted run repeats no more than these

    def answers(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[list[Answer]]:
        """`sampling.candidates` answers per conversation, in order. A batch never changes a row's answer."""
        ...

    def check_installed(self) -> None:
        """Raise MissingPackage where what it needs to answer is not installed; loads nothing."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the manifest and journal keys record: engine, model, revision, chat-template hash, dtype."""
        ...
