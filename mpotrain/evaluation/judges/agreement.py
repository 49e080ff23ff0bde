"""Do two judges say the same of the same answers?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mpodata.quality.statistics import kappa
from mpotrain.evaluation.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judges agree on the class of answers that both could judge."""

    first: str
    second: str
    answers: int  # judged by both
    share: float  # of them in the same class
    kappa: float  # Cohen's: agreement beyond chance; nan where both always say the same one class
    languages: Mapping[str, float]  # kappa per language
    disagreements: Mapping[str, int]  # "refusal / unsafe" -> answers, most frequent first


def agreement(first: Sequence[Outcome], second: Sequence[Outcome]) -> Agreement:
    """Compare the classes of two judges' outcomes of the same answers, in the same order."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a.judged and b.judged]
    pairs = [(a.outcome_class, b.outcome_class) for a, b in both]
    split: dict[str, int] = {}
    for mine, theirs in pairs:
        if mine != theirs:
            split[f"{mine} / {theirs}"] = split.get(f"{mine} / {theirs}", 0) + 1
    codes = dict.fromkeys(a.language for a, _ in both)
    return Agreement(
        first=first[0].judge if first else "",
        second=second[0].judge if second else "",
        answers=len(both),
        share=sum(mine == theirs for mine, theirs in pairs) / len(pairs) if pairs else float("nan"),
        kappa=_kappa(both),
        languages={code: _kappa([pair for pair in both if pair[0].language == code]) for code in codes},
        disagreements=dict(sorted(split.items(), key=lambda item: -item[1])),
    )


def _kappa(pairs: Sequence[tuple[Outcome, Outcome]]) -> float:
    return kappa([a.outcome_class for a, _ in pairs], [b.outcome_class for _, b in pairs])
