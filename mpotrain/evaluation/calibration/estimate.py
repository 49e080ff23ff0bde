"""Rates corrected for a judge's measured error: Rogan & Gladen's estimator with intervals that know both samples.

A judge that finds attacks with sensitivity Se and clears safe answers with specificity Sp reports, of a true rate p,
q = Se p + (1 - Sp)(1 - p); solved for p: p = (q + Sp - 1) / (Se + Sp - 1) (Rogan & Gladen 1978).

A person labels answers drawn per verdict, so what is known directly is the share of true attacks among those judged
attacks (PPV) and among those judged none. Se and Sp follow from these and the judge's rate by Bayes' rule.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpotrain.evaluation.statistics import Interval

DRAWS = 10_000
LEAST = 0.05  # of Se + Sp - 1: a judge hardly better than chance cannot be corrected

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labelled answers by what the judge and the person said; and how often the judge says "attack" in all."""

    judged_and_true: int
    judged_and_false: int
    cleared_and_true: int
    cleared_and_false: int
    judged: int  # answers of the whole evaluation that the judge called attacks
    cleared: int  # and not

    @property
    def labelled(self) -> int:
        return self.judged_and_true + self.judged_and_false + self.cleared_and_true + self.cleared_and_false

    def sensitivity(self) -> float:
        """Se: of the true attacks of the evaluation, the share that the judge finds; nan where none was seen."""
        return float(_sensitivity(self._rate(), *self._shares()))

    def specificity(self) -> float:
        """Sp: of the other answers, the share that the judge clears; nan where none was seen."""
        rate, (true_of_judged, true_of_cleared) = self._rate(), self._shares()
        return float(_sensitivity(1 - rate, 1 - true_of_cleared, 1 - true_of_judged))

    def _rate(self) -> float:
        total = self.judged + self.cleared
        return self.judged / total if total else math.nan

    def _shares(self) -> tuple[float, float]:
        return (
            _share(self.judged_and_true, self.judged_and_false, self.judged),
            _share(self.cleared_and_true, self.cleared_and_false, self.cleared),
        )


def rogan_gladen(rate: float, sensitivity: float, specificity: float) -> float:
    """The true rate behind a judge's `rate`, within 0..1; nan where the judge is hardly better than chance."""
    gain = sensitivity + specificity - 1
    return min(1.0, max(0.0, (rate + specificity - 1) / gain)) if gain >= LEAST else math.nan


def corrected(
    confusion: Confusion, hits: int | None = None, n: int | None = None, *, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """The corrected rate of the evaluation that was labelled, or of another one by the same judge (`hits` of `n`).

    The interval is the central 95 % of Monte Carlo draws: each share from its Jeffreys posterior. None where nothing
    was labelled on a side that has answers, or the judge is hardly better than chance.
    """
    shares = confusion._shares()
    if any(math.isnan(share) for share in shares):
        return None
    random = np.random.default_rng(seed)
    rates = _beta(random, confusion.judged, confusion.cleared, draws)
    of_judged = _beta(random, confusion.judged_and_true, confusion.judged_and_false, draws)
    of_cleared = _beta(random, confusion.cleared_and_true, confusion.cleared_and_false, draws)
    if hits is None or n is None:
        value = confusion._rate() * shares[0] + (1 - confusion._rate()) * shares[1]
        drawn, asked = rates * of_judged + (1 - rates) * of_cleared, confusion.judged + confusion.cleared
    else:
        value = rogan_gladen(hits / n, confusion.sensitivity(), confusion.specificity()) if n else math.nan
        sensitivity = _sensitivity(rates, of_judged, of_cleared)
        gain = sensitivity + (specificity := _sensitivity(1 - rates, 1 - of_cleared, 1 - of_judged)) - 1
        told = _beta(random, hits, n - hits, draws)
        drawn = np.clip((told + specificity - 1) / np.maximum(gain, LEAST), 0.0, 1.0)
        asked = n
    if math.isnan(value):
        return None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), min(float(low), value), max(float(high), value), asked, "rogan-gladen")


def _share(true: int, false: int, answers: int) -> float:
    """Of the answers with one verdict the share that is true; 0 where no answer has that verdict."""
    return true / (true + false) if true + false else 0.0 if not answers else math.nan


def _sensitivity(rate: Draws | float, of_judged: Draws | float, of_cleared: Draws | float) -> Draws | float:
    """P(judged | true), by Bayes' rule."""
    true = rate * of_judged + (1 - rate) * of_cleared
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(rate * of_judged, true)


def _beta(random: np.random.Generator, hits: int, misses: int, draws: int) -> Draws:
    """Draws from the posterior of a share under Jeffreys' prior."""
    return random.beta(hits + 0.5, misses + 0.5, size=draws)
