"""Intervals cover what they promise, tests err as often as they may, and both equal hand-worked values."""

import math
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest

from mpodata.quality.statistics import kappa
from mpotrain.evaluation.statistics import (
    Interval,
    average_over_languages,
    bootstrap,
    change_over_languages,
    correlation_test,
    holm,
    mcnemar,
    paired_change,
    pearson,
    sign_flip,
    spearman,
    wilson,
)

# The MPO paper's Table 1, Llama-3.1-8B: reward gap and attack success rate of En, Zh, Ko, Ar, Bn, Sw.
GAPS = [1.58, 0.36, 0.29, 0.60, 0.04, 0.05]
RATES = [9.0, 22.0, 50.0, 15.0, 55.0, 57.0]


def test_wilson_equals_hand_worked_values():
    half = wilson(5, 10)
    assert (half.low, half.high) == (pytest.approx(0.236593, abs=1e-6), pytest.approx(0.763407, abs=1e-6))
    none = wilson(0, 10)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(0.277533, abs=1e-6))


def test_an_interval_of_nothing_says_nothing():
    empty = wilson(0, 0)
    assert math.isnan(empty.value)
    assert (empty.low, empty.high, empty.n) == (0.0, 1.0, 0)
    assert math.isnan(bootstrap([]).value)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5, 0.9])
def test_wilson_covers_the_true_share_as_often_as_it_says(share):
    """Exactly, by summing the binomial distribution; single shares oscillate around 95 %."""
    n = 176
    log = math.lgamma
    covered = sum(
        math.exp(log(n + 1) - log(k + 1) - log(n - k + 1) + k * math.log(share) + (n - k) * math.log(1 - share))
        for k in range(n + 1)
        if share in wilson(k, n)
    )
    assert 0.92 <= covered <= 0.99


def test_the_bootstrap_covers_the_mean_of_a_skewed_quantity():
    random = np.random.default_rng(1)
    covered = sum(1.0 in bootstrap(random.exponential(size=100), draws=400, seed=seed) for seed in range(400))
    assert 0.90 <= covered / 400 <= 0.97


def _parallel(random: np.random.Generator, prompts: int, rate: float) -> dict[str, dict[str, float]]:
    """Four languages whose answers to the same prompt depend on how hard the prompt is."""
    hard = random.normal(size=prompts)
    threshold = -NormalDist().inv_cdf(rate) * math.sqrt(2)
    return {code: {str(p): float(hard[p] + random.normal() > threshold) for p in range(prompts)} for code in "abcd"}


def test_averages_over_parallel_languages_keep_their_coverage():
    """Resampling answers instead of prompts would cover far less: the answers to one prompt depend on each other."""
    random = np.random.default_rng(2)
    runs = [_parallel(random, 80, 0.2) for _ in range(250)]
    covered = sum(0.2 in average_over_languages(run, draws=300, seed=s) for s, run in enumerate(runs)) / 250
    naive = sum(0.2 in wilson(int(sum(v for row in run.values() for v in row.values())), 320) for run in runs) / 250
    assert 0.91 <= covered <= 0.98
    assert naive < 0.9


def test_a_language_without_some_prompts_still_counts_as_one_language():
    average = average_over_languages({"a": {"1": 1.0, "2": 1.0, "3": 1.0}, "b": {"1": 0.0}}, draws=200)
    assert average.value == pytest.approx(0.5)
    assert average.n == 3


def test_the_paired_interval_covers_the_true_change_even_where_little_changes():
    random = np.random.default_rng(3)
    for gain, loss in [(0.02, 0.0), (0.10, 0.02), (0.30, 0.30)]:
        covered = 0
        for _ in range(1500):
            gained, lost, _ = random.multinomial(150, [gain, loss, 1 - gain - loss])
            covered += (gain - loss) in paired_change(int(gained), int(lost), 150)
        assert 0.93 <= covered / 1500 <= 0.99, (gain, loss)


def test_the_paired_interval_equals_hand_worked_values():
    change = paired_change(6, 2, 48)  # Agresti & Min: (6 - 2) / 50, variance (9 - 16 / 50) / 50**2
    half = NormalDist().inv_cdf(0.975) * math.sqrt((9 - 16 / 50) / 2500)
    assert change == Interval(4 / 48, pytest.approx(0.08 - half), pytest.approx(0.08 + half), 48, "agresti-min")


def test_mcnemar_equals_the_exact_binomial():
    before = [True] * 9 + [False] * 1 + [True] * 50
    after = [False] * 9 + [True] * 1 + [True] * 50
    assert mcnemar(before, after) == pytest.approx(2 * (1 + 10) / 1024)
    assert mcnemar([True, False], [True, False]) == 1.0
    with pytest.raises(ValueError, match="equal length"):
        mcnemar([True], [])


def test_mcnemar_finds_a_difference_where_there_is_none_in_at_most_one_run_of_twenty():
    random = np.random.default_rng(4)
    found = 0
    for _ in range(2000):
        hard = random.random(200)
        before, after = ((hard + random.normal(scale=0.2, size=200) > 0.6) for _ in range(2))
        found += mcnemar(before.tolist(), after.tolist()) < 0.05
    assert 0.02 <= found / 2000 <= 0.055  # exact tests of counts stay somewhat below


def test_the_permutation_test_equals_full_enumeration():
    moved = [0.9, 0.4, 0.35, -0.2, 0.15]
    signs = list(product([-1, 1], repeat=len(moved)))
    exact = sum(abs(np.dot(sign, moved)) >= abs(sum(moved)) - 1e-12 for sign in signs) / len(signs)
    assert sign_flip(moved, draws=40_000) == pytest.approx(exact, abs=0.01)
    assert sign_flip([0.0, 0.0]) == 1.0


@pytest.mark.flow
def test_the_averaged_test_finds_a_difference_where_there_is_none_in_one_run_of_twenty():
    """Two runs that do not differ, on prompts whose difficulty they share."""
    random = np.random.default_rng(5)
    found = 0
    for seed in range(400):
        hard = random.normal(size=60)
        runs = [
            {code: {str(p): float(hard[p] + random.normal() > 0.5) for p in range(60)} for code in "abc"}
            for _ in range(2)
        ]
        _, p = change_over_languages(*runs, draws=100, seed=seed)
        found += p < 0.05
    assert 0.02 <= found / 400 <= 0.08


def test_a_real_change_is_found_and_its_interval_holds_it():
    random = np.random.default_rng(6)
    before = {code: {str(p): float(random.random() < 0.5) for p in range(150)} for code in "abc"}
    after = {code: {str(p): float(random.random() < 0.1) for p in range(150)} for code in "abc"}
    change, p = change_over_languages(before, after)
    assert p < 0.001
    assert -0.4 in change


def test_holm_equals_hand_worked_values():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": math.nan})
    assert adjusted["a"] == pytest.approx(0.03)
    assert adjusted["b"] == adjusted["c"] == pytest.approx(0.06)
    assert math.isnan(adjusted["d"])


def test_kappa_equals_the_textbook_example():
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4)
    assert kappa(first, first) == 1.0
    assert math.isnan(kappa(["yes"], ["yes"]))  # chance alone agrees


def test_correlations_of_the_papers_table_1_equal_hand_worked_values():
    assert spearman(GAPS, RATES) == pytest.approx(1 - 6 * 68 / (6 * 35))
    assert pearson(GAPS, RATES) == pytest.approx(np.corrcoef(GAPS, RATES)[0, 1])
    exact = 12 / 720  # orders of six languages whose squared rank differences sum to <= 2 or >= 68
    assert correlation_test(GAPS, RATES, draws=40_000) == pytest.approx(exact, abs=0.006)


def test_ties_share_their_rank_and_constants_have_no_correlation():
    assert spearman([1, 1, 2, 3], [1, 1, 2, 3]) == pytest.approx(1.0)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(correlation_test([1, 2], [2, 1]))
