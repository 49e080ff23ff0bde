"""Thresholds and weights from the fitting half."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from scipy.special import expit

from calibration.corpora import Corpus, Sentences, answer_rows, sentence_rows
from calibration.faults import cut
from mpodata.languages import languages
from mpodata.quality import completeness
from mpodata.quality.alignment import features
from mpodata.quality.checks import SHORTEST_LENGTH, row_agreement
from mpodata.quality.completeness import incompleteness
from mpodata.quality.cues import cross_lingual_cues
from mpodata.quality.measures import size
from mpodata.quality.thresholds import DEFAULT, Thresholds
from mpodata.records import Pair

LENGTH_BUDGET = 0.0002  # correct fields that each length limit may drop
RAREST_ENDING = 6  # times that an ending was seen
INCOMPLETE_BUDGET = 0.0025  # correct rows of a language that `incomplete` may drop
INCOMPLETE_MARGIN = 0.3  # of evidence: other text has faults that the fitting half has not
CAUGHT = 0.945  # cut fields that are enough: where more are caught, the limit is raised and fewer correct rows go
SHUFFLED_BUDGET = 0.001  # correct rows that `shuffled` may drop
SHUFFLED_MARGIN = 2.5  # of evidence, about two sentences: rows of one document fail together
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
    shortest, longest = np.quantile(z, [LENGTH_BUDGET, 1 - LENGTH_BUDGET])
    return replace(limits, shortest=round(min(float(shortest), -4.0), 2), longest=round(max(float(longest), 3.0), 2))


def fit_endings(sentences: Sentences) -> dict[str, float]:
    """Endings of one to four characters: the log-odds that they stand inside of a sentence and not at its end."""
    last, inside = Counter[str](), Counter[str]()
    for _, text in sentences:
        bare = completeness.without_last_marks(text)
        last.update(_suffixes(bare))
        words = bare.split(" ")
        cuts = accumulate((len(word) + 1 for word in words[:-1]), initial=-1) if len(words) > 5 else range(1, len(bare))
        inside.update(ending for place in cuts if place > 0 for ending in _suffixes(bare[:place]))
    lasts, insides = (sum(n for text, n in counts.items() if len(text) == 1) for counts in (last, inside))
    return {
        ending: round(float(np.clip(math.log(b + 0.5) - math.log(a + 0.5) + math.log(lasts / insides), -4, 4)), 2)
        for ending in sorted({*last, *inside})
        if (a := last[ending]) + (b := inside[ending]) >= RAREST_ENDING and (a >= 3 or b * lasts / insides >= 3)
    }


def _suffixes(text: str) -> list[str]:
    return [text[-length:] for length in range(1, min(completeness.LONGEST_ENDING, len(text)) + 1)]


def fit_completeness(corpora: Sequence[Corpus], limits: dict[str, Thresholds]) -> dict[str, Floats]:
    """Logistic regressions: cut texts against whole ones, for each language and for all together."""
    examples = {code: _cut_and_whole([c for c in corpora if c.language == code], limits[code]) for code in limits}
    weights = {code: _logistic(*pair) for code, pair in examples.items()}
    rows, truths = zip(*examples.values(), strict=True)
    return weights | {DEFAULT: _logistic(np.concatenate(rows), np.concatenate(truths))}


def _cut_and_whole(corpora: Sequence[Corpus], limits: Thresholds) -> tuple[Floats, NDArray[np.int64]]:
    """Features and truths. Endings are learned from one half of the sentences and read on the other, as in use."""
    ending = completeness.FEATURES.index("odd_ending")
    halves = [[pair for corpus in corpora for pair in corpus.fitting[start::2]] for start in (0, 1)]
    learned = [fit_endings(half) for half in halves]
    found, truths = [], []
    for known, texts in zip(reversed(learned), halves, strict=True):
        longer = [
            (" ".join(a), " ".join(b))
            for a, b in (zip(*texts[at : at + 3], strict=True) for at in range(0, len(texts), 3))
        ]
        for a, b in (*texts, *longer):
            for text, truth in ((b, -1), (cut(b), 1)):
                if size(a) >= SHORTEST_LENGTH and (seen := completeness.features(a, text, limits)):
                    odds = completeness.odd_ending(text, known)
                    found.append((*seen[:ending], odds, *seen[ending + 1 :]))
                    truths.append(truth)
    return np.array(found), np.array(truths)


def fit_incomplete(corpora: Sequence[Corpus], limits: Thresholds) -> Thresholds:
    """The evidence that few correct rows exceed, and more than that where nearly all cut texts still exceed it."""
    names = ("prompt", "chosen", "rejected")
    texts = [  # by row: the texts of its fields with their originals
        [(getattr(row.dominant, name), getattr(row.target, name)) for name in fields]
        for shape, fields in ((sentence_rows, names[:1]), (_long_rows, names))
        for corpus in corpora
        for row in shape(corpus, corpus.fitting)
    ]
    singles = [row for row in texts if len(row) == 1]
    answers = [row for row in texts if len(row) > 1]
    needed = [
        np.quantile([max(incompleteness(*text, limits) for text in row) for row in rows], 1 - INCOMPLETE_BUDGET)
        for rows in (singles, answers)
    ]
    cuts = [incompleteness(a, cut(b), limits) for row in answers for a, b in row]
    return replace(
        limits, incomplete=round(float(max(max(needed) + INCOMPLETE_MARGIN, np.quantile(cuts, 1 - CAUGHT))), 2)
    )


def fit_weights(corpora: Sequence[Corpus], limits: dict[str, Thresholds]) -> dict[str, Floats]:
    """Logistic regression: translations against other sentences of the same collection; latin and other scripts."""
    examples: dict[str, tuple[list[tuple[float, ...]], list[int]]] = {"latin": ([], []), "other": ([], [])}
    for corpus in corpora:
        writing = "latin" if languages()[corpus.language].script == "latin" else "other"
        rows, truths = examples[writing]
        for a, b, truth in _examples(corpus.fitting):
            rows.append(features(cross_lingual_cues(a), cross_lingual_cues(b), limits[corpus.language]))
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
    def loss(weights: Floats) -> tuple[float, Floats]:
        margins = truths * (rows @ weights)
        slopes = -truths * expit(-margins) / len(truths)
        kept = np.concatenate([[0.0], weights[1:]])
        return float(np.logaddexp(0, -margins).mean() + 1e-3 * kept @ kept), slopes @ rows + 2e-3 * kept

    weights: Floats = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    return weights.round(4)


def fit_agreement(corpora: Sequence[Corpus], limits: Thresholds) -> Thresholds:
    """The evidence below which a row is called shuffled: a line through its quantiles in short and in long rows.

    The quantile is that of the collection where evidence is weakest, less a margin.
    """
    points = []
    for shape, names in ((sentence_rows, ("prompt",)), (_long_rows, ("prompt", "chosen", "rejected"))):
        lowest: list[float] = []
        sentences: list[float] = []
        for corpus in corpora:
            rows = shape(corpus, corpus.fitting)
            evidence = [row_agreement(row, limits, names) for row in rows]
            lowest.append(float(np.quantile([total for total, _ in evidence], SHUFFLED_BUDGET)))
            sentences.extend(count for _, count in evidence)
        points.append((float(np.mean(sentences)), min(lowest) - SHUFFLED_MARGIN))
    (few, low), (many, high) = points
    slope = (high - low) / (many - few)
    return replace(limits, agreement=round(low - slope * few, 2), agreement_sentence=round(slope, 3))


def _long_rows(corpus: Corpus, sentences: Sentences) -> list[Pair]:
    return answer_rows(corpus, sentences, 1000)
