"""Thresholds and weights of one language or of all, from what may be fitted on."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from scipy.optimize import nnls

from calibration.corpora import Corpus, Sentences
from calibration.faults import cut
from calibration.regression import Examples
from calibration.rows import ANSWERS, answer_rows, sentence_rows
from mpodata.quality import completeness
from mpodata.quality.alignment import features
from mpodata.quality.checks import SHORTEST_LENGTH, row_evidence
from mpodata.quality.completeness import incompleteness
from mpodata.quality.measures import size
from mpodata.quality.thresholds import Thresholds

LENGTH_BUDGET = 0.0002  # correct fields that each length limit may drop
SHORTEST_Z, LONGEST_Z = -5.0, 4.5  # no length limit is stricter: other text varies more than the text fitted on
RAREST_ENDING = 10  # times that an ending was seen
TELLING_ENDING = 1.0  # smallest log-odds kept
INCOMPLETE_BUDGET = 0.002  # correct rows of a language that `incomplete` may drop
SHUFFLED_BUDGET = 0.001  # correct rows that `shuffled` may drop
FIELD_EVIDENCE, ROW_EVIDENCE = (-6.0, -3.0), (-6.0, -2.0)  # the limits of `shuffled` lie between these
KEPT = (2 / 3, 1 / 2)  # of a cut text
REPETITION, LINES = 0.25, 0.7
MOST_SENTENCES, MOST_ROWS = 400, 100  # looked at of each half of a collection


def fit_lengths(corpora: Sequence[Corpus]) -> Thresholds:
    """ratio, spread and the length limits of one language, from sentences and from answers of three and six."""
    texts = [
        (getattr(row.dominant, name), getattr(row.target, name))
        for corpus in corpora
        for row in answer_rows(corpus, 400)
        for name in ANSWERS
    ]
    sizes = np.array([(size(a), size(b)) for a, b in texts if size(a) and size(b)], dtype=float)
    logs = np.log(sizes[:, 1] / sizes[:, 0])
    ratio = math.exp(float(np.median(logs)))
    deviations = logs - math.log(ratio)
    squares = np.minimum(deviations**2, (3 * 1.4826 * np.median(np.abs(deviations))) ** 2)
    (constant, short), _ = nnls(np.stack([np.ones(len(sizes)), 1 / sizes[:, 0]], axis=1), squares)
    limits = Thresholds(
        corpora[0].language, "en", round(ratio, 4), round(math.sqrt(constant), 4), round(math.sqrt(short), 4),
        0, 0, 0, REPETITION, LINES, 0, 0,
    )  # fmt: skip
    z = np.array([limits.z(int(a), int(b)) for a, b in sizes])
    shortest, longest = np.quantile(z, [LENGTH_BUDGET, 1 - LENGTH_BUDGET])
    return replace(
        limits,
        shortest=round(min(float(shortest), SHORTEST_Z), 2),
        longest=round(max(float(longest), LONGEST_Z), 2),
    )


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
    odds = {
        ending: float(np.clip(math.log(b + 0.5) - math.log(a + 0.5) + math.log(lasts / insides), -4, 4))
        for ending in sorted({*last, *inside})
        if (a := last[ending]) + (b := inside[ending]) >= RAREST_ENDING and (a >= 3 or b * lasts / insides >= 3)
    }
    return {ending: round(value, 2) for ending, value in odds.items() if abs(value) >= TELLING_ENDING}


def _suffixes(text: str) -> list[str]:
    return [text[-length:] for length in range(1, min(completeness.LONGEST_ENDING, len(text)) + 1)]


def completeness_examples(sentences: Sentences, limits: Thresholds) -> Examples:
    """Cut texts and whole ones, of one sentence and of three, as the features of `completeness`."""
    sentences = sentences[:: max(1, len(sentences) // MOST_SENTENCES)]
    longer = [
        (" ".join(a), " ".join(b))
        for a, b in (zip(*sentences[at : at + 3], strict=True) for at in range(0, len(sentences), 3))
    ]
    rows, truths = [], []
    for a, b in (*sentences, *longer):
        for text, truth in ((b, -1), *((cut(b, kept), 1) for kept in KEPT)):
            if size(a) >= SHORTEST_LENGTH and (seen := completeness.features(a, text, limits)):
                rows.append(seen)
                truths.append(truth)
    return Examples(np.array(rows), np.array(truths))


def alignment_examples(sentences: Sentences, limits: Thresholds) -> Examples:
    """Translations against other sentences of the same collection, as the features of `alignment`."""
    sentences = sentences[:: max(1, len(sentences) // MOST_SENTENCES)]
    rows, truths = [], []
    draw = np.random.default_rng(0)
    for place, (a, b) in enumerate(sentences):
        rows.append(features(a, b, limits))
        truths.append(1)
        other = int(draw.integers(len(sentences)))
        if abs(other - place) > 2:
            rows.append(features(a, sentences[other][1], limits))
            truths.append(-1)
    return Examples(np.array(rows), np.array(truths))


def evidence_of_correct(corpora: Sequence[Corpus], limits: Thresholds) -> list[dict[str, float]]:
    """`row_evidence` of correct rows of one sentence and of ten."""
    rows = [(row, ANSWERS) for corpus in corpora for row in answer_rows(corpus, MOST_ROWS)]
    rows += [(row, ANSWERS[:1]) for corpus in corpora for row in sentence_rows(corpus)[:MOST_SENTENCES]]
    return [row_evidence(row, limits, names) for row, names in rows]


def fit_evidence(evidence: Sequence[dict[str, float]], limits: Thresholds) -> Thresholds:
    """The evidence below which a field or a row is called shuffled: that of few correct ones, less a margin."""
    fields = float(np.quantile([min(row.values()) for row in evidence], SHUFFLED_BUDGET))
    rows = float(np.quantile([sum(row.values()) for row in evidence], SHUFFLED_BUDGET))
    return replace(
        limits,
        field_evidence=round(float(np.clip(fields, *FIELD_EVIDENCE)), 2),
        row_evidence=round(float(np.clip(rows, *ROW_EVIDENCE)), 2),
    )


def incompleteness_of_correct(corpora: Sequence[Corpus], limits: Thresholds) -> list[float]:
    """The strongest evidence against a field of each correct row, of one sentence and of ten."""
    rows = [(row, ANSWERS) for corpus in corpora for row in answer_rows(corpus, MOST_ROWS)]
    rows += [(row, ANSWERS[:1]) for corpus in corpora for row in sentence_rows(corpus)[:MOST_SENTENCES]]
    return [
        max(incompleteness(getattr(row.dominant, name), getattr(row.target, name), limits) for name in names)
        for row, names in rows
    ]


def fit_incomplete(evidence: Sequence[float], limits: Thresholds) -> Thresholds:
    """The evidence that few correct rows exceed."""
    needed = float(np.quantile(evidence, 1 - INCOMPLETE_BUDGET))
    return replace(limits, incomplete=round(max(needed, 1.5), 2))
