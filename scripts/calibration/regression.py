"""Logistic regression whose weights are held near given ones: few examples stay near what all languages share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]
SHRINKAGE = 1e-3  # times the squared distance from the given weights


@dataclass(frozen=True, slots=True)
class Examples:
    """Features and truths."""

    rows: Floats  # (examples, features)
    truths: NDArray[np.int64]  # (examples,): 1 or -1

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> "Examples":
        several = list(parts)
        return Examples(np.concatenate([p.rows for p in several]), np.concatenate([p.truths for p in several]))


def logistic(examples: Examples, near: Floats | None = None, shrinkage: float = SHRINKAGE) -> Floats:
    """The weights, rounded; the first feature is the constant, whose weight is free where nothing is given."""
    rows, truths = examples.rows, examples.truths
    centre = np.zeros(rows.shape[1]) if near is None else near
    held = np.ones(rows.shape[1])
    held[0] = 0.0 if near is None else 1.0

    def loss(weights: Floats) -> tuple[float, Floats]:
        margins = truths * (rows @ weights)
        slopes = -truths * expit(-margins) / len(truths)
        away = (weights - centre) * held
        return float(np.logaddexp(0, -margins).mean() + shrinkage * away @ away), slopes @ rows + 2 * shrinkage * away

    weights: Floats = minimize(loss, centre, jac=True, method="L-BFGS-B").x
    return weights.round(4)
