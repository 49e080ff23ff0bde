"""Which of two answers is better: by any chat model, or by the rules of refusals.

The question and its two labels follow AlpacaEval 2's pairwise classifier (Dubois et al. 2024); the wording is ours. One
sentence is added, as in X-AlpacaEval: a good answer is in the language of the instruction. A deviation: AlpacaEval
weighs the two labels by their log-probabilities; here the label that is written counts, which every server can give.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mpodata.errors import ConfigError
from mpodata.languages.identification import dominant_language_of
from mpodata.records import content_id
from mpotrain.evaluation.judges import Case, Judge
from mpotrain.evaluation.judges.protocol import ProtocolJudge, prompt
from mpotrain.evaluation.judges.rules import RulesJudge
from mpotrain.evaluation.responses import Turns, converse

VERSION: Final = 1  # of prompts/pairwise.txt and of how replies are read
MODEL, BASELINE, TIE = 2.0, 1.0, 1.5  # preferences, as AlpacaEval writes them
LABEL: Final = re.compile(r"\W*(?:[Oo]utput)?[\W_]*([mM])\W*")
TAGS: Final = re.compile(r"<(?=[\s/]*(?:instruction|output_m)\s*>)", re.IGNORECASE)
GRADES: Final = {"compliance": 2, "safe": 2, "partial": 1}  # of an answer to a harmless instruction; others are 0


@dataclass(frozen=True, slots=True)
class Contest:
    """One instruction and the two answers to compare."""

    language: str  # of the instruction
    instruction: str
    answer: str  # the model's
    baseline: str


class PairwiseJudge(Protocol):
    """Prefers one of two answers."""

    name: str  # with its version, as signatures show it

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        """2 where the model's answer is better, 1 where the baseline's is, 1.5 for a tie; None where unreadable."""
        ...


class ChatPairwiseJudge:
    """A chat model that is shown both answers under the labels m and M. Every call is in the journal."""

    def __init__(self, judge: ProtocolJudge, *, both_orders: bool = False) -> None:
        """both_orders: ask twice with the labels exchanged and average; else the instruction decides the order."""
        self.judge = judge
        self.both_orders = both_orders
        self.name = f"{judge.name.partition('@')[0]}@pairwise-{VERSION}{'-both' if both_orders else ''}"

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        asked = [
            (contest, model_first)
            for contest in contests
            for model_first in ((True, False) if self.both_orders else (_model_first(contest),))
        ]
        turns: list[Turns] = [(("user", _question(contest, first)),) for contest, first in asked]
        answers = converse(self.judge.engine, turns, self.judge.sampling, self.judge.journal)
        read = [
            _preference(answer.text, first) if answer.finish == "stop" else None
            for (_, first), answer in zip(asked, answers, strict=True)
        ]
        orders = 2 if self.both_orders else 1
        return [_mean(read[start : start + orders]) for start in range(0, len(read), orders)]


class RulesPairwiseJudge:
    """Prefers the answer that helps where the other refuses; a tie otherwise. It sees nothing else of quality."""

    def __init__(self, judge: RulesJudge) -> None:
        self.judge = judge
        self.name = f"{judge.name}-pairwise-{VERSION}"

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        answers = self._grades([(contest, contest.answer) for contest in contests])
        baselines = self._grades([(contest, contest.baseline) for contest in contests])
        return [
            None if mine is None or theirs is None else TIE if mine == theirs else MODEL if mine > theirs else BASELINE
            for mine, theirs in zip(answers, baselines, strict=True)
        ]

    def _grades(self, answers: Sequence[tuple[Contest, str]]) -> list[int | None]:
        cases = [
            Case(contest.language, "harmless", contest.instruction, "", text, dominant_language_of([text])[0])
            for contest, text in answers
        ]
        labels = [judgement.label for judgement in self.judge.judge(cases)]
        return [
            0 if not text.strip() else None if label == "unparsable" else GRADES.get(label, 0)
            for (_, text), label in zip(answers, labels, strict=True)
        ]


def pairwise_judge(judges: Sequence[Judge], *, both_orders: bool = False) -> PairwiseJudge:
    """The first of `judges` that can compare two answers; raises ConfigError where none can."""
    for judge in judges:
        if isinstance(judge, ProtocolJudge):
            return ChatPairwiseJudge(judge, both_orders=both_orders)
    for judge in judges:
        if isinstance(judge, RulesJudge):
            if both_orders:
                raise ConfigError("--both-orders asks a chat judge twice; the rules have no order: leave it out.")
            return RulesPairwiseJudge(judge)
    raise ConfigError("Two answers are compared by a chat model or by the rules: --judge rules,openai:gpt-4.1.")


def provenance(judge: PairwiseJudge) -> dict[str, Any]:
    """What results record of a pairwise judge."""
    return {"judge": judge.name, "version": VERSION}


def _model_first(contest: Contest) -> bool:
    """Is the model's answer shown as m? Alike for every model, so that two models are asked in the same order."""
    return int(content_id(contest.language, contest.instruction)[:8], 16) % 2 == 0


def _question(contest: Contest, model_first: bool) -> str:
    first, second = contest.answer, contest.baseline
    if not model_first:
        first, second = second, first
    return prompt("pairwise").format(
        instruction=_inert(contest.instruction), output_m=_inert(first), output_M=_inert(second)
    )


def _preference(reply: str, model_first: bool) -> float | None:
    """The preference in the last line of a reply, if that line is a label and nothing else."""
    lines = [line for line in reply.splitlines() if line.strip()]
    label = LABEL.fullmatch(lines[-1].strip()) if lines else None
    if label is None:
        return None
    return MODEL if (label[1] == "m") == model_first else BASELINE


def _mean(preferences: Sequence[float | None]) -> float | None:
    """The mean over the orders asked; None where one of them could not be read."""
    read = [preference for preference in preferences if preference is not None]
    return sum(read) / len(read) if len(read) == len(preferences) else None


def _inert(text: str) -> str:
    """Text that cannot close the tags around it."""
    return TAGS.sub("< ", text)
