"""How sure a mean can be, and how far two judges agree: pure functions of numbers."""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 2_000_000  # numbers drawn at once


def resampled(
    size: int, draws: int, seed: int, statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """The statistic of `draws` resamples of `size` rows, in blocks that stay small in memory."""
    random = np.random.default_rng(seed)
    block = max(1, BLOCK // max(1, size))
    parts = [
        statistic(random.integers(0, size, size=(min(block, draws - start), size))) for start in range(0, draws, block)
    ]
    return np.concatenate(parts)


def mean_interval(sample: NDArray[np.float64], *, level: float, draws: int, seed: int) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean (Efron and Tibshirani 1993); `sample` is not empty."""
    means = resampled(len(sample), draws, seed, lambda rows: sample[rows].mean(axis=1))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Cohen's kappa: agreement of two judges beyond chance (Cohen 1960). nan where there is nothing to agree on."""
    if len(first) != len(second):
        raise ValueError(f"two judges must judge the same answers, got {len(first)} and {len(second)}")
    n = len(first)
    if n == 0:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    labels = set(first) | set(second)
    chance = sum(list(first).count(label) * list(second).count(label) for label in labels) / (n * n)
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)
