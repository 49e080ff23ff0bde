"""Thresholds and weights of one language or of all, from what may be fitted on."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from scipy.optimize import nnls
from scipy.stats import beta

from calibration.corpora import Corpus, Sentences
from calibration.faults import cut
from calibration.regression import Examples
from calibration.rows import ANSWERS, answer_rows, sentence_rows, separate_rows
from mpodata.quality import completeness
from mpodata.quality.alignment import features
from mpodata.quality.checks import SHORTEST_LENGTH, row_evidence
from mpodata.quality.completeness import incompleteness
from mpodata.quality.cues import sentences
from mpodata.quality.measures import repetition, size
from mpodata.quality.thresholds import SEVERAL, Thresholds
from mpodata.records import Pair

LENGTH_BUDGET = 0.0002  # correct fields that each length limit may drop
SHORTEST_Z, LONGEST_Z = -5.0, 4.5  # no length limit is stricter: other text varies more than the text fitted on
RAREST_ENDING = 10  # times that an ending was seen
TELLING_ENDING = 1.0  # smallest log-odds kept
# Standard deviation of log(length) from one translator or kind of text to the next: half more than between
# the collections fitted on (.046): news, health and short sentences. The fit reads each text as if in another style.
STYLE = 0.07
INCOMPLETE_BUDGET = 0.004  # correct rows of a language that `incomplete` may drop
SHUFFLED_BUDGET = 0.002  # correct rows that `shuffled` may drop
WORST = 4  # times a budget that may be dropped in one collection
LEAST_INCOMPLETE = 4.5  # log-odds, the third quartile of all languages' own: few rows tell a lower limit badly
TEXT_SHARE = 0.4  # a text is held to no more than this share of a sentence's limit: free translation lowers both
CONFIDENCE = 0.8  # that no more are dropped than a budget allows
# The limits of `shuffled` lie between these.
FIELD_EVIDENCE, TEXT_EVIDENCE, ROW_EVIDENCE = (-6.0, -3.0), (-3.5, -1.0), (-6.0, -2.0)
KEPT = (2 / 3, 1 / 2)  # of a cut text
REPETITION, LINES = 0.25, 0.7
MORE_REPETITION = 0.05  # than any correct answer that was fitted on
MOST_SENTENCES = 400  # of a collection that are looked at one by one
MOST_ROWS = 150  # rows of ten sentences of a collection that limits are fitted on
LENGTH_ROWS = 150  # of ten sentences, of a collection


@dataclass(frozen=True, slots=True)
class Evidence:
    """That the sides of one correct row belong together, each with the sentences of the original it is of."""

    fields: list[tuple[int, float]]  # (sentences, nats)
    row: tuple[int, float]

    def least(self, sentences: range) -> float | None:
        """That of its field with so many sentences that has least; None where no field has so many."""
        return min((nats for size, nats in self.fields if size in sentences), default=None)


def fit_lengths(corpora: Sequence[Corpus]) -> Thresholds:
    """The lengths and repetitions of one language, from sentences and from answers of three and six."""
    rows = [row for corpus in corpora for row in answer_rows(corpus, LENGTH_ROWS)]
    texts = [(getattr(row.dominant, name), getattr(row.target, name)) for row in rows for name in ANSWERS]
    repeated = max(repetition(b) - repetition(a) for a, b in texts)
    sizes = np.array([(size(a), size(b)) for a, b in texts if size(a) and size(b)], dtype=float)
    logs = np.log(sizes[:, 1] / sizes[:, 0])
    ratio = math.exp(float(np.median(logs)))
    deviations = logs - math.log(ratio)
    squares = np.minimum(deviations**2, (3 * 1.4826 * np.median(np.abs(deviations))) ** 2)
    (constant, short), _ = nnls(np.stack([np.ones(len(sizes)), 1 / sizes[:, 0]], axis=1), squares)
    limits = Thresholds(
        corpora[0].language, "en", round(ratio, 4), round(math.hypot(math.sqrt(constant), STYLE), 4),
        round(math.sqrt(short), 4), 0, 0, 0, round(max(REPETITION, repeated + MORE_REPETITION), 2), LINES, 0, 0, 0,
    )  # fmt: skip
    z = np.array([limits.z(int(a), int(b)) for a, b in sizes])
    shortest, longest = np.quantile(z, [LENGTH_BUDGET, 1 - LENGTH_BUDGET])
    return replace(
        limits,
        shortest=round(min(float(shortest), SHORTEST_Z), 2),
        longest=round(max(float(longest), LONGEST_Z), 2),
    )


def _in_another_style(limits: Thresholds, draw: np.random.Generator) -> Thresholds:
    """Limits beside which a text is longer or shorter by another translator's style."""
    return replace(limits, ratio=limits.ratio * math.exp(STYLE * draw.standard_normal()))


def fit_endings(pairs: Sentences) -> dict[str, float]:
    """Endings of one to four characters: the log-odds that they stand inside of a sentence and not at its end."""
    last, inside = Counter[str](), Counter[str]()
    for _, text in pairs:
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


def completeness_examples(pairs: Sentences, limits: Thresholds) -> Examples:
    """Cut texts and whole ones, of one, three and six sentences (on two lines), as the features of `completeness`."""
    single = _few(pairs)
    three = _joined(single, 3, " ")
    draw = np.random.default_rng(0)
    rows, truths = [], []
    for a, b in (*single, *three, *_joined(three, 2, "\n")):
        styled = _in_another_style(limits, draw)
        for text, truth in ((b, -1), *((cut(b, kept), 1) for kept in KEPT)):
            if size(a) >= SHORTEST_LENGTH and (seen := completeness.features(a, text, styled)):
                rows.append(seen)
                truths.append(truth)
    return Examples(np.array(rows), np.array(truths))


def _few(pairs: Sentences) -> Sentences:
    """At most MOST_SENTENCES, spread over all."""
    return pairs[:: math.ceil(len(pairs) / MOST_SENTENCES)]


def _joined(texts: Sentences, count: int, between: str) -> Sentences:
    """Each `count` neighbours as one text and its translation."""
    groups = (texts[at : at + count] for at in range(0, len(texts), count))
    return [(between.join(a for a, _ in group), between.join(b for _, b in group)) for group in groups]


def alignment_examples(pairs: Sentences, limits: Thresholds) -> Examples:
    """Translations against other sentences of the same collection, as the features of `alignment`."""
    single = _few(pairs)
    rows, truths = [], []
    draw = np.random.default_rng(0)
    for place, (a, b) in enumerate(single):
        styled = _in_another_style(limits, draw)
        rows.append(features(a, b, styled))
        truths.append(1)
        other = int(draw.integers(len(single)))
        if abs(other - place) > 2:
            rows.append(features(a, single[other][1], styled))
            truths.append(-1)
    return Examples(np.array(rows), np.array(truths))


def evidence_of_correct(corpus: Corpus, limits: Thresholds) -> list[Evidence]:
    """The evidence of correct rows of one sentence and of ten, and of their fields."""
    draw = np.random.default_rng(1)
    evidence = []
    for row, names in _correct_rows(corpus):
        of_fields = row_evidence(row, _in_another_style(limits, draw), names)
        sizes = {name: len(sentences(getattr(row.dominant, name))) for name in names}
        fields = [(size, of_fields[name]) for name, size in sizes.items()]
        evidence.append(Evidence(fields, (sum(sizes.values()), sum(of_fields.values()))))
    return evidence


def fit_evidence(evidence: Sequence[Sequence[Evidence]], limits: Thresholds) -> Thresholds:
    """The evidence below which a field or a row is called shuffled: that of few correct ones of each collection."""
    short = [[v for row in rows if (v := row.least(range(SEVERAL))) is not None] for rows in evidence]
    long = [[v for row in rows if (v := row.least(range(SEVERAL, sys.maxsize))) is not None] for rows in evidence]
    rows = [[value for size, value in (row.row for row in collection) if size < SEVERAL] for collection in evidence]
    field = _least(short, FIELD_EVIDENCE)
    return replace(
        limits,
        field_evidence=field,
        text_evidence=round(min(_least(long, TEXT_EVIDENCE), TEXT_SHARE * field), 2),
        row_evidence=_least(rows, ROW_EVIDENCE),
    )


def _least(evidence: Sequence[Sequence[float]], bounds: tuple[float, float]) -> float:
    """A limit that drops few of these, all of them correct."""
    highest = _exceeded_by_few_of_each([[-value for value in values] for values in evidence], SHUFFLED_BUDGET)
    return round(float(np.clip(-highest, *bounds)), 2)


def incompleteness_of_correct(corpus: Corpus, limits: Thresholds) -> list[float]:
    """The strongest evidence against a field of each correct row, of one sentence and of ten."""
    draw = np.random.default_rng(2)
    strongest = []
    for row, names in _correct_rows(corpus):
        styled = _in_another_style(limits, draw)
        fields = [(getattr(row.dominant, name), getattr(row.target, name)) for name in names]
        strongest.append(max(incompleteness(a, b, styled) for a, b in fields if size(a) >= SHORTEST_LENGTH))
    return strongest


def fit_incomplete(evidence: Sequence[Sequence[float]], limits: Thresholds) -> Thresholds:
    """The evidence that few correct rows of each collection exceed."""
    highest = _exceeded_by_few_of_each(evidence, INCOMPLETE_BUDGET)
    return replace(limits, incomplete=round(max(highest, LEAST_INCOMPLETE), 2))


def _correct_rows(corpus: Corpus) -> list[tuple[Pair, tuple[str, ...]]]:
    """Rows of ten sentences and of one, with their translated fields."""
    rows = [(row, ANSWERS) for row in separate_rows(corpus)]
    return rows[:: math.ceil(len(rows) / MOST_ROWS) or 1] + [
        (row, ANSWERS[:1])
        for row in sentence_rows(replace(corpus, sentences=_few(corpus.sentences)))
        if size(row.dominant.prompt) >= SHORTEST_LENGTH
    ]


def _exceeded_by_few_of_each(collections: Sequence[Sequence[float]], budget: float) -> float:
    """A value that few of all exceed, and few of the collection that exceeds it most."""
    together = _exceeded_by_few([value for values in collections for value in values], budget)
    worst = (float(np.quantile(values, 1 - WORST * budget)) for values in collections if values)
    return max(together, *worst)


def _exceeded_by_few(values: Sequence[float], budget: float) -> float:
    """The least value that, with CONFIDENCE, at most a share `budget` of all such values exceeds (Clopper-Pearson).

    The largest of `values` where they are too few to say so.
    """
    highest = sorted(values, reverse=True)
    exceeding = 0
    while beta.ppf(CONFIDENCE, exceeding + 2, len(highest) - exceeding - 1) <= budget:
        exceeding += 1
    return highest[exceeding]
