"""Win rates: the values worked out by hand, and the published regression computed another way."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mpotrain.evaluation.utility.length_control import (
    Gamed,
    expected_preferences,
    length_controlled,
    win_rate,
)


def test_the_win_rate_is_the_mean_preference():
    assert win_rate([1.8, 1.3]) == pytest.approx(55)
    assert win_rate([2, 1, 1.5]) == pytest.approx(50)


def test_the_length_controlled_rate_leaves_the_length_term_out():
    rate = 100 * expected_preferences(1.0, -1.0, np.array([0.0, 1.0])).mean()
    assert rate == pytest.approx(100 * (1 / (1 + np.e) + 1 / 2) / 2)
    assert rate == pytest.approx(38.447071, abs=5e-7)


def table(rows=120):
    draw = np.random.default_rng(7)
    difficulty = draw.normal(size=rows)
    base, model = draw.integers(100, 900, rows), draw.integers(300, 1400, rows)
    differences = base - model
    logit = -1.5 * np.tanh(differences / differences.std()) + 0.7 * difficulty - 0.4
    preferences = 1 + np.round(1 / (1 + np.exp(-logit + draw.normal(size=rows))), 3)
    gamed = Gamed(draw.random(2 * rows).round(3), draw.normal(size=2 * rows), np.tile(difficulty, 2))
    return preferences, base, model, difficulty, gamed


def independent(features, preferences, weights):
    """The regression by hand: every penalty, five folds of rows, the best mean log loss, then all rows."""
    rows = len(preferences)
    by_size = np.argsort(np.full(rows, 2), kind="stable")[::-1]  # GroupKFold deals groups of one size out in turn
    fold_of = np.empty(rows, dtype=int)
    sizes = [0] * 5
    for row in by_size:
        lightest = int(np.argmin(sizes))
        fold_of[row] = lightest
        sizes[lightest] += 2

    def fitted(strength, kept):
        model = LogisticRegression(
            C=strength, l1_ratio=1.0, solver="liblinear", fit_intercept=False, random_state=123, max_iter=1000
        )
        labels = np.concatenate([np.ones(kept.sum()), np.zeros(kept.sum())])
        soft = np.concatenate([preferences[kept] * weights[kept], (1 - preferences[kept]) * weights[kept]])
        return model.fit(np.vstack([features[kept], features[kept]]), labels, sample_weight=soft)

    def loss(model, left_out):
        p = np.clip(model.predict_proba(features[left_out])[:, 1], 1e-15, 1 - 1e-15)
        y = preferences[left_out]
        return -np.mean(weights[left_out] * (y * np.log(p) + (1 - y) * np.log(1 - p)))

    strengths = np.logspace(-4, 4, 10)
    mean_losses = [np.mean([loss(fitted(c, fold_of != fold), fold_of == fold) for fold in range(5)]) for c in strengths]
    return fitted(strengths[int(np.argmin(mean_losses))], np.ones(rows, dtype=bool)).coef_[0]


def test_the_published_regression_equals_an_independent_computation():
    preferences, base, model, difficulty, gamed = table()
    differences = (base - model) / np.std(base - model, ddof=1)
    features = np.column_stack(
        [
            np.tanh(np.concatenate([gamed.length_differences, differences])),
            np.concatenate([gamed.difficulties, difficulty]),
            np.concatenate([np.zeros(240), np.ones(120)]),
        ]
    )
    weights = np.concatenate([np.full(240, 0.1), np.ones(120)])
    expected = independent(features, np.concatenate([gamed.preferences, preferences - 1]), weights)
    predicted = length_controlled(preferences, base, model, difficulty, gamed)
    assert predicted == pytest.approx(1 / (1 + np.exp(-(expected[2] + expected[1] * difficulty))), abs=2e-4)
    assert 100 * predicted.mean() != pytest.approx(win_rate(preferences), abs=1)  # longer answers had won


def test_the_minimal_variant_equals_an_independent_computation():
    preferences, base, model, _, _ = table()
    differences = (base - model) / np.std(base - model, ddof=1)
    features = np.column_stack([np.tanh(differences), np.ones(120)])
    expected = independent(features, preferences - 1, np.ones(120))
    predicted = length_controlled(preferences, base, model)
    assert predicted == pytest.approx(np.full(120, 1 / (1 + np.exp(-expected[1]))), abs=2e-4)


def test_a_model_against_itself_wins_half():
    assert length_controlled([1.5] * 6, [3] * 6, [3] * 6).mean() == 0.5
    assert length_controlled([2.0] * 6, [3] * 6, [9] * 6).mean() == 1.0


def test_too_few_rows_are_no_regression():
    with pytest.raises(ValueError, match="5 rows at least, got 4"):
        length_controlled([2, 1, 2, 1], [1, 2, 3, 4], [4, 3, 2, 1])
