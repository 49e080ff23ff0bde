"""How sure one can be: intervals, paired tests, agreement, correlation. Pure functions of counts and arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mpodata.quality.statistics import mean_interval, resampled

Values = Sequence[float] | NDArray[np.float64]

DRAWS = 2000  # bootstrap resamples: the 2.5 % quantile is then stable to about 0.2 standard errors


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float
    n: int  # what it was estimated from: answers, prompts, languages
    method: str  # "wilson", "bootstrap"
    undecided: int = 0  # of n, what no verdict decides; a share counts them as not hit

    @property
    def bounds(self) -> tuple[float, float]:
        """A share with all undecided answers counted as not hit, and as hit."""
        return self.value, self.value + (self.undecided / self.n if self.n else 0.0)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def wilson(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927): keeps its coverage near 0 and 1, where refusal rates live."""
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, 0, "wilson")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the edges the exact bound is the edge; rounding must not leave the estimate outside its own interval.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high, n, "wilson")


def bootstrap(values: Values, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Percentile bootstrap of a mean, for quantities that are not shares: reward gaps, lengths, scores."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0, "bootstrap")
    low, high = mean_interval(sample, level=level, draws=draws, seed=seed)
    return Interval(float(sample.mean()), low, high, len(sample), "bootstrap")


def average_over_languages(
    outcomes: Mapping[str, Mapping[str, float]], *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean over languages of each language's mean, resampling prompts and not answers.

    The same prompt asked in several languages gives dependent answers: it is drawn, or left out, in all of them at
    once (a cluster bootstrap).

    Args: outcomes: language -> prompt id -> 0/1 or a score. Returns: n is the number of distinct prompts.
    """
    grid, ids = _grid(outcomes)
    if grid.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0, "bootstrap")
    means = resampled(len(ids), draws, seed, lambda rows: _mean_of_means(grid[:, rows]))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(_mean_of_means(grid[:, None, :])[0]), float(low), float(high), len(ids), "bootstrap")


def change_over_languages(
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Interval, float]:
    """Change of the mean over languages between two runs on the same prompts, with a two-sided p-value.

    The interval resamples prompts; the p-value flips the sign of each prompt's change in all its languages at once (a
    paired permutation test), which is exact under "the two runs do not differ" up to the number of draws.
    """
    common = {
        language: {
            prompt: after[language][prompt] - value for prompt, value in row.items() if prompt in after[language]
        }
        for language, row in before.items()
        if language in after
    }
    grid, ids = _grid({language: row for language, row in common.items() if row})
    if grid.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0, "bootstrap"), math.nan
    change = float(_mean_of_means(grid[:, None, :])[0])
    means = resampled(len(ids), draws, seed, lambda rows: _mean_of_means(grid[:, rows]))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    present = ~np.isnan(grid)
    # Each prompt's share of the mean of means: its changes, weighted by one over its languages' sizes.
    weights = np.where(present, grid, 0.0) / present.sum(axis=1, keepdims=True) / len(grid)
    p_value = sign_flip(weights.sum(axis=0), draws=max(draws, 10_000), seed=seed)
    return Interval(change, float(low), float(high), len(ids), "bootstrap"), p_value


def paired_change(gained: int, lost: int, n: int, *, level: float = 0.95) -> Interval:
    """Change of a share between two runs on the same `n` prompts, of which `gained` became true and `lost` false.

    The interval is Wald's with half a prompt added to each of the four cells (Agresti & Min 2005), which keeps its
    coverage where few or no prompts change.
    """
    if n == 0:
        return Interval(math.nan, -1.0, 1.0, 0, "agresti-min")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    size = n + 2
    centre = (gained - lost) / size
    spread = math.sqrt(((gained + lost + 1) - (gained - lost) ** 2 / size) / size**2)
    return Interval(
        (gained - lost) / n, max(-1.0, centre - z * spread), min(1.0, centre + z * spread), n, "agresti-min"
    )


def sign_flip(differences: Values, *, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of a paired permutation test: how often random signs give a sum at least as far from 0."""
    moved = np.asarray(differences, dtype=np.float64)
    moved = moved[moved != 0]
    if moved.size == 0:
        return 1.0
    observed = abs(moved.sum())
    random = np.random.default_rng(seed)
    as_far = 0
    for start in range(0, draws, 1000):  # a block at a time: 10,000 x 5,000 signs would be 400 MB
        signs = random.integers(0, 2, size=(min(1000, draws - start), moved.size)) * 2 - 1
        as_far += int((np.abs(signs @ moved) >= observed - 1e-12).sum())
    return (as_far + 1) / (draws + 1)


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Exact two-sided McNemar test: did paired yes/no outcomes change more one way than the other?

    Only prompts whose outcome changed count: under "no difference" each way is a fair coin (McNemar 1947, exact
    binomial form). Raises ValueError where the runs were not on the same prompts.
    """
    if len(before) != len(after):
        raise ValueError(f"paired outcomes must be of equal length, got {len(before)} and {len(after)}")
    gained = sum(b and not a for b, a in zip(before, after, strict=True))
    lost = sum(a and not b for b, a in zip(before, after, strict=True))
    return sign_test(gained, lost)


def sign_test(first: int, second: int) -> float:
    """Two-sided p-value of `first` heads and `second` tails from a fair coin."""
    n = first + second
    if n == 0:
        return 1.0
    tail = math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
        for k in range(min(first, second) + 1)
    )
    return min(1.0, 2 * tail)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for testing several languages at once (Holm 1979); order of magnitude kept, never above 1."""
    tested = {name: p for name, p in p_values.items() if not math.isnan(p)}
    adjusted: dict[str, float] = dict.fromkeys(p_values, math.nan)
    running = 0.0
    for rank, (name, p) in enumerate(sorted(tested.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[name] = running
    return adjusted


def pearson(x: Values, y: Values) -> float:
    """Pearson's correlation; nan with fewer than three points or a constant side."""
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.size < 3 or first.std() == 0 or second.std() == 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def spearman(x: Values, y: Values) -> float:
    """Pearson's correlation of the ranks, ties sharing their mean rank."""
    return pearson(_ranks(x), _ranks(y))


def correlation_test(x: Values, y: Values, *, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided permutation p-value of Spearman's correlation: honest with the handful of languages there is."""
    observed = spearman(x, y)
    if math.isnan(observed):
        return math.nan
    first, second = _ranks(x), _ranks(y)
    shuffled = np.random.default_rng(seed).permuted(np.tile(second, (draws, 1)), axis=1)
    products = (shuffled - second.mean()) @ (first - first.mean()) / (first.size * first.std() * second.std())
    return (int((np.abs(products) >= abs(observed) - 1e-12).sum()) + 1) / (draws + 1)


def _grid(outcomes: Mapping[str, Mapping[str, float]]) -> tuple[NDArray[np.float64], list[str]]:
    """(languages, prompts), nan where a language lacks a prompt; and the prompt ids."""
    ids = sorted({prompt for row in outcomes.values() for prompt in row})
    column = {prompt: index for index, prompt in enumerate(ids)}
    grid = np.full((len(outcomes), len(ids)), np.nan)
    for line, row in enumerate(outcomes.values()):
        for prompt, value in row.items():
            grid[line, column[prompt]] = value
    return grid, ids


def _mean_of_means(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """(languages, draws, prompts) -> (draws,): a language that a draw left without prompts does not count in it."""
    present = ~np.isnan(grid)
    counts = present.sum(axis=2)
    sums = np.where(present, grid, 0.0).sum(axis=2)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return np.asarray(np.nanmean(means, axis=0), dtype=np.float64)


def _ranks(values: Values) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(sample, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
