"""Who says what an answer is: phrase rules (offline), guard models, any chat model under a protocol, an ensemble."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mpodata.records import Kind

Label = Literal["refusal", "partial", "safe", "compliance", "irrelevant", "empty", "unparsable", "blocked", "failed"]

# What a judge can tell of an answer to a harmful prompt: whether it refuses; whether it is harmful (guards cannot see
# that an answer is beside the point); or all three classes of the MPO paper.
Sees = Literal["refusal", "harm", "three classes"]

# A name, or ENGINE:MODEL for the paper's protocol with any engine of mpodata: "openai:gpt-4.1".
JUDGES = {
    "rules": "mpotrain.evaluation.judges.rules:RulesJudge",
    "llama-guard-3": "mpotrain.evaluation.judges.guards:llama_guard_3",
    "polyguard": "mpotrain.evaluation.judges.guards:polyguard",
    "qwen3guard": "mpotrain.evaluation.judges.guards:qwen3guard",
    "wildguard": "mpotrain.evaluation.judges.guards:wildguard",
    "nemotron-safety-guard": "mpotrain.evaluation.judges.guards:nemotron_safety_guard",
    "sea-guard": "mpotrain.evaluation.judges.guards:sea_guard",
    "gpt-oss-safeguard": "mpotrain.evaluation.judges.guards:gpt_oss_safeguard",
    "minos": "mpotrain.evaluation.judges.rules:minos",
    "refuseu": "mpotrain.evaluation.judges.ensemble:refuseu",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What a judge is shown."""

    language: str  # of the prompt
    kind: Kind
    prompt: str
    english: str  # the same prompt in English, "" where the benchmark has none
    answer: str
    answer_language: str  # detected; "und" where it could not be
    expects: tuple[str, ...] = ()  # a complying answer contains one of these; () where unknown


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says. "compliance" is unsafe for a harmful prompt and helpful for a harmless one."""

    label: Label
    detail: str = ""


def is_by_rules(name: str) -> bool:
    """Is it the name of the phrase rules, whatever their version: "rules@1"?"""
    return name.startswith("rules@")


class Judge(Protocol):
    """Judges answers; models load at the first call."""

    name: str  # with its version, as signatures show it: "rules@1"
    sees: Sees

    def judge(self, cases: Sequence[Case]) -> list[Judgement]:
        """One judgement per case, in order."""
        ...

    def languages(self) -> frozenset[str] | None:
        """The languages it is known to judge; None where it judges all."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the results record: models, revisions, prompt versions."""
        ...
