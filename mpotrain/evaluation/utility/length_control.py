"""Win rates of pairwise preferences, plain and length-controlled (Dubois et al. 2024, "Length-Controlled AlpacaEval").

The regression is the one of alpaca_eval's `length_controlled_v1`: logistic, without an intercept, L1-penalised, of the
preference on tanh(difference of lengths / its standard deviation), the instruction's difficulty and 1; two gamed
baselines regularise it. The controlled rate is what it predicts where the difference of lengths is 0.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mpodata.registry import require

Floats = NDArray[np.float64]

FOLDS: Final = 5
SEED: Final = 123
GAMED_WEIGHT: Final = 0.2 / 2  # alpaca_eval's regularize_to_baseline_lambda over its two gamed baselines


@dataclass(frozen=True, slots=True)
class Gamed:
    """Annotations of two baselines that game length (df_gamed.csv): rows that pull the length weight to its place."""

    preferences: Floats  # (rows,), 0 to 1
    length_differences: Floats  # (rows,), in standard deviations, before the tanh
    difficulties: Floats  # (rows,), of each row's instruction


def win_rate(preferences: Sequence[float]) -> float:
    """100 x the mean of preference - 1; preferences from 1 (the baseline) to 2 (the model), ties 1.5."""
    return 100 * float(np.mean(np.asarray(preferences, dtype=np.float64) - 1))


def length_controlled(
    preferences: Sequence[float],
    baseline_lengths: Sequence[int],
    model_lengths: Sequence[int],
    difficulties: Sequence[float] | None = None,
    gamed: Gamed | None = None,
) -> Floats:
    """The preference predicted for each row if both answers were of one length: (rows,), 0 to 1. Its mean is the rate.

    Args: preferences: 1 to 2. baseline_lengths, model_lengths: characters. difficulties, gamed: both or neither;
        without them this is alpaca_eval's `length_controlled_minimal`, of length and a constant alone.
    Raises ValueError for fewer rows than cross-validation has folds.
    """
    wanted = np.asarray(preferences, dtype=np.float64) - 1
    if len(wanted) < FOLDS:
        raise ValueError(f"{FOLDS} rows at least, got {len(wanted)}")
    if np.ptp(wanted) == 0 and wanted[0] in (0, 0.5, 1):
        return wanted  # all won, all lost or all ties (a model against itself): no length explains any of it
    differences = _standardised(np.subtract(baseline_lengths, model_lengths).astype(np.float64))
    if gamed is None or difficulties is None:
        weights = _fitted(np.column_stack([np.tanh(differences), np.ones(len(wanted))]), wanted, None)
        return expected_preferences(0.0, float(weights[1]), np.zeros(len(wanted)))
    difficulty = np.asarray(difficulties, dtype=np.float64)
    lengths = np.concatenate([gamed.length_differences, differences])
    real = np.concatenate([np.zeros(len(gamed.preferences)), np.ones(len(wanted))])
    features = np.column_stack([np.tanh(lengths), np.concatenate([gamed.difficulties, difficulty]), real])
    row_weights = np.where(real == 1, 1.0, GAMED_WEIGHT)
    weights = _fitted(features, np.concatenate([gamed.preferences, wanted]), row_weights)
    return expected_preferences(float(weights[1]), float(weights[2]), difficulty)


def expected_preferences(difficulty_weight: float, model_weight: float, difficulties: Floats) -> Floats:
    """s(w_m + w_d x difficulty) of each row: (rows,)."""
    logits = model_weight + difficulty_weight * np.asarray(difficulties, dtype=np.float64)
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def _standardised(differences: Floats) -> Floats:
    """Over their sample standard deviation, not centred; all 0 where they do not differ."""
    spread = float(differences.std(ddof=1))
    return differences / spread if spread > 0 else np.zeros_like(differences)


def _fitted(features: Floats, preferences: Floats, row_weights: Floats | None) -> Floats:
    """The weights of the features: the penalty is chosen by cross-validation over rows.

    Soft labels: every row stands twice, as a win that weighs p and as a loss that weighs 1 - p, both in one fold.
    """
    sklearn = require("sklearn", package="scikit-learn", purpose="Length-controlled win rates", extra="eval")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import GroupKFold

    rows = len(preferences)
    shares = np.concatenate([preferences, 1 - preferences])
    weights = None if row_weights is None else np.concatenate([row_weights, row_weights])
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # weak penalties may end at liblinear's 100 rounds
        scoring: Any = make_scorer(_log_loss, response_method="predict_proba", greater_is_better=False)
        model = LogisticRegressionCV(
            cv=GroupKFold(n_splits=FOLDS),
            scoring=scoring.set_score_request(shares=True, weights=True),
            l1_ratios=(1.0,),
            solver="liblinear",
            fit_intercept=False,
            random_state=SEED,
            use_legacy_attributes=False,
        )
        model.set_fit_request(sample_weight=True)
        model.fit(
            np.concatenate([features, features]),
            np.repeat([1, 0], rows),
            sample_weight=shares if weights is None else shares * weights,
            groups=np.tile(np.arange(rows), 2),
            shares=shares,
            weights=weights,
        )
    return np.asarray(model.coef_[0], dtype=np.float64)


def _log_loss(y_true: Floats, y_pred: Floats, shares: Floats, weights: Floats | None = None) -> float:
    """Mean log loss against soft labels. shares: of the row's own label; a loss's share is turned into a win's."""
    wins = np.where(y_true == 1, shares, 1 - shares)
    predicted = np.clip(y_pred, 1e-15, 1 - 1e-15)
    losses = -(wins * np.log(predicted) + (1 - wins) * np.log(1 - predicted))
    return float(np.mean(losses if weights is None else losses * weights))
