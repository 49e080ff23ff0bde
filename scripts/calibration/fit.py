"""Thresholds and weights from the fitting half."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

from calibration.corpora import Corpus, Sentences, answer_rows, sentence_rows
from mpodata.languages import languages
from mpodata.quality.agreement import FEATURES, features
from mpodata.quality.anchors import anchors
from mpodata.quality.checks import SHORTEST_LENGTH, row_agreement
from mpodata.quality.measures import size, terminated
from mpodata.quality.thresholds import Thresholds
from mpodata.records import Pair

SHORT_BUDGET, LONG_BUDGET = 0.0012, 0.0002  # correct fields that each length limit may drop
SENTENCE_BUDGET = 0.003  # correct single sentences of any one collection that the lower limit may drop
UNTERMINATED_BUDGET = 0.001  # correct fields that `unterminated` may drop
SHUFFLED_BUDGET = 0.001  # correct rows that `shuffled` may drop
REPETITION, LINES = 0.25, 0.7

Floats = NDArray[np.float64]


def fit_lengths(corpora: Sequence[Corpus]) -> Thresholds:
    """ratio, spread and the length limits of one language, from sentences and from answers of three and six."""
    texts = [
        (getattr(row.dominant, name), getattr(row.target, name))
        for corpus in corpora
        for row in answer_rows(corpus, corpus.fitting, 1000)
        for name in ("prompt", "chosen", "rejected")
    ]
    sizes = np.array([(size(a), size(b)) for a, b in texts if size(a) and size(b)], dtype=float)
    logs = np.log(sizes[:, 1] / sizes[:, 0])
    ratio = math.exp(float(np.median(logs)))
    deviations = logs - math.log(ratio)
    squares = np.minimum(deviations**2, (3 * 1.4826 * np.median(np.abs(deviations))) ** 2)
    (constant, short), _ = nnls(np.stack([np.ones(len(sizes)), 1 / sizes[:, 0]], axis=1), squares)
    language = corpora[0].language
    limits = Thresholds(
        language, round(ratio, 4), round(math.sqrt(constant), 4), round(math.sqrt(short), 4),
        0, 0, 0, REPETITION, LINES, 0, 0,
    )  # fmt: skip
    z = np.array([limits.z(int(a), int(b)) for a, b in sizes])
    shortest, longest = np.quantile(z, [SHORT_BUDGET, 1 - LONG_BUDGET])
    shortest = min(shortest, *(_shortest_sentence(corpus, limits) for corpus in corpora))
    return replace(
        limits,
        shortest=round(min(float(shortest), -2.5), 2),
        longest=round(max(float(longest), 3.0), 2),
        unterminated=_unterminated(texts, limits),
    )


def _shortest_sentence(corpus: Corpus, limits: Thresholds) -> float:
    """The z that few single sentences of one collection fall below: short ones vary more than the pooled fields."""
    sizes = [(size(a), size(b)) for a, b in corpus.fitting if size(a) >= SHORTEST_LENGTH and size(b)]
    return float(np.quantile([limits.z(a, b) for a, b in sizes], SENTENCE_BUDGET))


def _unterminated(texts: Sequence[tuple[str, str]], limits: Thresholds) -> float:
    """The largest z at which ending in mid-sentence is rare enough among correct texts."""
    broken = sorted(limits.z(size(a), size(b)) for a, b in texts if terminated(a) and not terminated(b) and size(b))
    allowed = int(UNTERMINATED_BUDGET * len(texts))
    if len(broken) <= allowed:
        return 9.0
    return round(max(-9.0, broken[allowed] - 0.01), 2)


def fit_weights(corpora: Sequence[Corpus], limits: dict[str, Thresholds]) -> dict[str, Floats]:
    """Logistic regression: translations against other sentences of the same collection; latin and other scripts."""
    examples: dict[str, tuple[list[tuple[float, ...]], list[int]]] = {"latin": ([], []), "other": ([], [])}
    for corpus in corpora:
        writing = "latin" if languages()[corpus.language].script == "latin" else "other"
        rows, truths = examples[writing]
        for a, b, truth in _examples(corpus.fitting):
            rows.append(features(anchors(a), anchors(b), limits[corpus.language]))
            truths.append(truth)
    return {writing: _logistic(np.array(rows), np.array(truths)) for writing, (rows, truths) in examples.items()}


def _examples(sentences: Sentences) -> list[tuple[str, str, int]]:
    draw = random.Random(0)
    found = []
    for place, (a, b) in enumerate(sentences):
        found.append((a, b, 1))
        other = draw.randrange(len(sentences))
        if abs(other - place) > 2:
            found.append((a, sentences[other][1], -1))
    return found


def _logistic(rows: Floats, truths: NDArray[np.int64]) -> Floats:
    def loss(weights: Floats) -> float:
        return float(np.logaddexp(0, -truths * (rows @ weights)).mean() + 1e-3 * (weights[1:] ** 2).sum())

    weights: Floats = minimize(loss, np.zeros(len(FEATURES))).x
    return weights.round(4)


def fit_agreement(corpora: Sequence[Corpus], limits: Thresholds) -> Thresholds:
    """The evidence below which a row is called shuffled: a line through its quantiles in short and in long rows.

    The quantile is that of the collection where evidence is weakest, less a margin of one sentence's evidence.
    """
    points = []
    for shape, names in ((sentence_rows, ("prompt",)), (_long_rows, ("prompt", "chosen", "rejected"))):
        lowest, sentences = [], []
        for corpus in corpora:
            rows = shape(corpus, corpus.fitting)
            evidence = [row_agreement(row, limits, names) for row in rows]
            lowest.append(float(np.quantile([total for total, _ in evidence], SHUFFLED_BUDGET)))
            sentences.extend(count for _, count in evidence)
        points.append((float(np.mean(sentences)), min(lowest) - 1.0))
    (few, low), (many, high) = points
    slope = (high - low) / (many - few)
    return replace(limits, agreement=round(low - slope * few, 2), agreement_sentence=round(slope, 3))


def _long_rows(corpus: Corpus, sentences: Sentences) -> list[Pair]:
    return answer_rows(corpus, sentences, 1000)
