"""Thresholds and weights of one language or of all, from what may be fitted on."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from scipy.optimize import nnls

from calibration.corpora import Corpus, Sentences
from calibration.faults import cut
from calibration.regression import Examples
from calibration.rows import ANSWERS, answer_rows, sentence_rows, separate_rows
from mpodata.quality import completeness
from mpodata.quality.alignment import features
from mpodata.quality.checks import SHORTEST_LENGTH, row_evidence
from mpodata.quality.completeness import incompleteness
from mpodata.quality.measures import repetition, size
from mpodata.quality.thresholds import LONG, Thresholds, share_of_long
from mpodata.quality.words import familiar_words
from mpodata.records import Pair

LENGTH_BUDGET = 0.0002  # correct fields that each length limit may drop
SHORTEST_Z, LONGEST_Z = -5.0, 4.5  # no length limit is stricter: other text varies more than the text fitted on
RAREST_ENDING = 10  # times that an ending was seen
TELLING_ENDING = 1.0  # smallest log-odds kept
# Standard deviation of log(length) from one translator or kind of text to the next: half more than between
# the collections fitted on (.046): news, health and short sentences. The fit reads each text as if in another style.
STYLE = 0.07
INCOMPLETE_BUDGET = 0.004  # correct rows of a language that `incomplete` may drop
SHUFFLED_BUDGET = 0.003  # correct rows that `shuffled` may drop
WORST = 3  # times a budget that may be dropped in one collection
TAIL = 0.05  # share of values, by whose distance from the others rarer ones are told
FEWEST = 60  # values of a collection that tell its rare ones
LEAST_INCOMPLETE, LEAST_INCOMPLETE_TEXT = 3.5, 2.75  # log-odds: other text varies more than the text fitted on
# The limits of `shuffled` lie between these.
FIELD_EVIDENCE, TEXT_EVIDENCE, ROW_EVIDENCE = (-6.0, -2.5), (-3.5, -1.0), (-6.0, -2.0)
NEARLY_LONG = 0.8  # share of the way from a short to a long text, from which a field says nothing of the short limit
KEPT = (2 / 3, 1 / 2)  # of a cut text
REPETITION, LINES = 0.25, 0.7
MORE_REPETITION = 0.05  # than any correct answer that was fitted on
MOST_SENTENCES = 400  # of a collection that are looked at one by one
MOST_ROWS = 150  # rows of ten sentences of a collection that limits are fitted on
LENGTH_ROWS = 150  # of ten sentences, of a collection


@dataclass(frozen=True, slots=True)
class Evidence:
    """That the sides of one correct row belong together, each with the characters of the original it is of."""

    fields: list[tuple[int, float]]  # (characters, nats)
    row: tuple[int, float]


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
        round(math.sqrt(short), 4), 0, 0, 0, 0, round(max(REPETITION, repeated + MORE_REPETITION), 2), LINES, 0, 0, 0,
        0,
    )  # fmt: skip
    z = np.array([limits.z(int(a), int(b)) for a, b in sizes])
    shortest, longest = np.quantile(z, [LENGTH_BUDGET, 1 - LENGTH_BUDGET])
    return replace(
        limits,
        shortest=round(min(float(shortest), SHORTEST_Z), 2),
        longest=round(max(float(longest), LONGEST_Z), 2),
    )


def fit_familiar(corpora: Sequence[Corpus], limits: Thresholds) -> Thresholds:
    """The share of the words of all sentences that the table of words knows."""
    counts = [
        found
        for corpus in corpora
        for _, text in corpus.sentences
        if (found := familiar_words(text, limits.dominant, limits.language))
    ]
    return replace(limits, familiar=round(sum(n for n, _ in counts) / max(sum(n for _, n in counts), 1), 3))


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
        sizes = {name: size(getattr(row.dominant, name)) for name in names}
        fields = [(sizes[name], of_fields[name]) for name in names]
        evidence.append(Evidence(fields, (sum(sizes.values()), sum(of_fields.values()))))
    return evidence


def fit_evidence(evidence: Sequence[Sequence[Evidence]], limits: Thresholds) -> Thresholds:
    """The evidence below which a field or a row is called shuffled: that of few correct ones of each collection."""
    of_fields = [[row.fields for row in rows] for rows in evidence]
    of_rows = [[[row.row] for row in rows] for rows in evidence]
    text = _bounded(_least([_long_ones(rows) for rows in of_fields], SHUFFLED_BUDGET), TEXT_EVIDENCE)
    short, row = ([_short_ones(rows, text) for rows in collections] for collections in (of_fields, of_rows))
    return replace(
        limits,
        text_evidence=text,
        field_evidence=_bounded(_least(short, SHUFFLED_BUDGET), FIELD_EVIDENCE),
        row_evidence=_bounded(_least(row, SHUFFLED_BUDGET), ROW_EVIDENCE),
    )


def _bounded(value: float, bounds: tuple[float, float]) -> float:
    return round(float(np.clip(value, *bounds)), 2)


def _long_ones(rows: Sequence[list[tuple[int, float]]]) -> list[float]:
    """The least evidence of each row's long fields, of rows that have some."""
    return [min(long) for row in rows if (long := [nats for length, nats in row if length >= LONG])]


def _short_ones(rows: Sequence[list[tuple[int, float]]], text: float) -> list[float]:
    """Of rows with shorter fields: the limit of short fields beside which their least evidence is just enough."""
    enough = [
        [(nats - share * text) / (1 - share) for length, nats in row if (share := share_of_long(length)) < NEARLY_LONG]
        for row in rows
    ]
    return [min(fields) for fields in enough if fields]


def _least(collections: Sequence[Sequence[float]], budget: float) -> float:
    """A value below which few of all lie, and few of the collection that has most below it."""
    together = _undercut_by_few([value for values in collections for value in values], budget)
    each = [_undercut_by_few(values, WORST * budget) for values in collections if len(values) >= FEWEST]
    return min([together, *each])


def _undercut_by_few(values: Sequence[float], budget: float) -> float:
    """The value below which a share `budget` of all such values lies; no lower than the lowest of these.

    Few values tell their own rarest ones badly: an exponential tail tells them by the median of the TAIL, in which
    single rows that are translated badly do not count. Values may be infinite: rows that nothing speaks against.
    """
    ordered = sorted(values)
    rarer = min(math.ceil(TAIL * len(ordered)), int(np.isfinite(ordered).sum()) - 1)
    if rarer <= budget * len(ordered):
        return min(ordered, default=math.inf)
    start = ordered[rarer]
    spread = (start - float(np.median(ordered[:rarer]))) / math.log(2)
    return max(start - spread * math.log(rarer / len(ordered) / budget), ordered[0])


def incompleteness_of_correct(corpus: Corpus, limits: Thresholds) -> list[list[tuple[int, float]]]:
    """For each correct row of one sentence and of ten, the characters and the evidence against each of its fields."""
    draw = np.random.default_rng(2)
    rows = []
    for row, names in _correct_rows(corpus):
        styled = _in_another_style(limits, draw)
        fields = [(getattr(row.dominant, name), getattr(row.target, name)) for name in names]
        rows.append([(size(a), incompleteness(a, b, styled)) for a, b in fields if size(a) >= SHORTEST_LENGTH])
    return rows


def fit_incomplete(evidence: Sequence[Sequence[list[tuple[int, float]]]], limits: Thresholds) -> Thresholds:
    """The evidence that few correct rows of each collection exceed."""
    against = [[[(length, -nats) for length, nats in row] for row in rows] for rows in evidence]
    long = -_least([_long_ones(rows) for rows in against], INCOMPLETE_BUDGET)
    text = round(max(long, LEAST_INCOMPLETE_TEXT), 2)
    short = -_least([_short_ones(rows, -text) for rows in against], INCOMPLETE_BUDGET)
    return replace(limits, incomplete=round(max(short, text, LEAST_INCOMPLETE), 2), incomplete_text=text)


def _correct_rows(corpus: Corpus) -> list[tuple[Pair, tuple[str, ...]]]:
    """Rows of ten sentences and of one, with their translated fields."""
    rows = [(row, ANSWERS) for row in separate_rows(corpus)]
    return rows[:: math.ceil(len(rows) / MOST_ROWS) or 1] + [
        (row, ANSWERS[:1])
        for row in sentence_rows(replace(corpus, sentences=_few(corpus.sentences)))
        if size(row.dominant.prompt) >= SHORTEST_LENGTH
    ]
