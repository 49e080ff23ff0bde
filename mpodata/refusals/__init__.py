"""Is this a refusal? Phrase rules per language, guard models, an LLM judge: one verdict type.

    >>> from mpodata.refusals import is_refusal, reliability
    >>> is_refusal("I'm sorry, but I can't help with that.", "en")
    True

`is_refusal`, `reliability`, `reliability_note` and `tables_hash` belong to the phrase rules and need no other package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # imported when asked for, by __getattr__: the rules import this file
    from mpodata.refusals.measured import Reliability, reliability, reliability_note
    from mpodata.refusals.rules import is_refusal, tables_hash

__all__ = [
    "DETECTORS",
    "Detector",
    "Exchange",
    "Label",
    "Reliability",
    "Verdict",
    "is_refusal",
    "reliability",
    "reliability_note",
    "tables_hash",
]

_LAZY = {"is_refusal": "rules", "tables_hash": "rules"}
_LAZY |= dict.fromkeys(("Reliability", "reliability", "reliability_note"), "measured")

DETECTORS = {
    "rules": "mpodata.refusals.rules:RuleDetector",
    "llama-guard-3": "mpodata.refusals.guards:llama_guard_3",
    "polyguard": "mpodata.refusals.guards:polyguard",
    "qwen3guard": "mpodata.refusals.guards:qwen3guard",
    "wildguard": "mpodata.refusals.guards:wildguard",
    "nemotron-safety-guard": "mpodata.refusals.nemotron_safety_guard:nemotron_safety_guard",
    "sea-guard": "mpodata.refusals.sea_guard:sea_guard",
    "gpt-oss-safeguard": "mpodata.refusals.gpt_oss_safeguard:gpt_oss_safeguard",
    "minos": "mpodata.refusals.minos:Minos",
    "openai-judge": "mpodata.refusals.judge:openai_judge",
    "two-guards": "mpodata.refusals.layers:two_guards",
    "refuseu": "mpodata.refusals.layers:two_guards",  # its name until mpotrain had a judge of that name
    "layers": "mpodata.refusals.layers:layers",
}

Label = Literal["refusal", "partial", "compliance", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector says of one answer."""

    label: Label  # "unknown": the detector does not cover the language or its output could not be parsed
    source: str  # the detector's name
    unsafe: bool | None = None  # guards: is the answer harmful? None where the detector does not say
    detail: str = ""  # the phrase that matched, the guard's category


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a detector judges: one prompt and one answer in one language."""

    language: str
    prompt: str
    answer: str
    harmful: bool | None = None  # is the prompt? None: not known; the phrase rules judge some answers by it


class Detector(Protocol):
    """Judges answers; models load at the first call."""

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]: ...

    def languages(self) -> frozenset[str] | None:
        """The languages it is known to cover; None where it covers all."""
        ...

    def provenance(self) -> dict[str, Any]: ...


def __getattr__(name: str) -> object:
    """The functions of the phrase rules, imported when they are asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'mpodata.refusals' has no attribute {name!r}")
    return getattr(import_module(f"mpodata.refusals.{_LAZY[name]}"), name)
