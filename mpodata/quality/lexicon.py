"""Which words of two languages go together, learned from the very file that is being checked.

A file of translations is its own dictionary: words that often stand in sentences that translate each other belong
together. A row whose target side comes from another row breaks with what the rest of the file says. No model and no
dictionary is needed, a few hundred sentences are enough, and a tenth of shuffled rows does no harm.

For each sentence pair: the pointwise mutual information of every word of one with its best partner in the other,
averaged, the pair itself left out of the counts. More words find better partners by chance, so what the file's own
pairs score and what random ones score are two lines over the numbers of words; between them a score becomes a
log-likelihood ratio, which adds to that of `alignment.py`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mpodata.quality.words import words

MIN_SENTENCES: Final = 100  # distinct sentence pairs; fewer teach nothing
MAX_SENTENCES: Final = 20_000  # more teach nothing new
VOCABULARY: Final = 3000  # most frequent words of each side
RARE, COMMON = 3, 0.3  # a word stands in at least so many sentences, and in at most such a share of them
SMOOTHING: Final = 0.5  # of a co-occurrence
STRONGEST: Final = 4.0  # evidence of one sentence
TOGETHER: Final = 64  # sentence pairs scored at once: half the time of one after the other

Floats = NDArray[np.float32]
SentencePair = tuple[str, str]
Places = list[int]  # of the words of a sentence in the counts, in ascending order
Sizes = tuple[float, float, float]  # 1, log of the known words of the dominant and of the target sentence
Score = tuple[float, Sizes]


@dataclass(frozen=True)
class Lexicon:
    """Word counts of one file in one language pair, and how scores fall."""

    learned: frozenset[SentencePair]
    dominant_words: dict[str, int]  # word -> row of the counts
    target_words: dict[str, int]  # word -> column of the counts
    together: Floats  # (dominant words, target words): sentence pairs that hold both
    dominant_counts: Floats
    target_counts: Floats
    usual: tuple[float, float, float] = (0.0, 0.0, 0.0)  # score of own pairs: constant, per log of either word count
    chance: tuple[float, float, float] = (0.0, 0.0, 0.0)  # score of random pairs
    spread: float = 1.0  # standard deviation from either line

    def evidence(self, pairs: Iterable[SentencePair]) -> float:
        """The summed log-likelihood ratio that these sentences translate each other; 0 where no word is known."""
        return sum(map(self._ratio, self.scores(list(pairs))))

    def _ratio(self, scored: Score | None) -> float:
        if scored is None:
            return 0.0
        score, sizes = scored
        usual, chance = float(np.dot(self.usual, sizes)), float(np.dot(self.chance, sizes))
        ratio = (usual - chance) / self.spread**2 * (score - (usual + chance) / 2)
        return max(-STRONGEST, min(STRONGEST, ratio))

    def scores(self, pairs: Sequence[SentencePair]) -> list[Score | None]:
        """Mean best mutual information of the known words of both sentences, in nats, and how many these are.

        None where one side has no known word.
        """
        return self.scores_of_places(
            [_places(words(dominant), self.dominant_words) for dominant, _ in pairs],
            [_places(words(target), self.target_words) for _, target in pairs],
            [pair in self.learned for pair in pairs],
        )

    def scores_of_places(
        self, dominants: Sequence[Places], targets: Sequence[Places], learned: Sequence[bool]
    ) -> list[Score | None]:
        """`scores` where it is known which words of each sentence are in the counts, and which pairs were learned."""
        scores: list[Score | None] = [None] * len(learned)
        comparable = [number for number in range(len(learned)) if dominants[number] and targets[number]]
        for start in range(0, len(comparable), TOGETHER):
            block = comparable[start : start + TOGETHER]
            cells = _Cells([dominants[number] for number in block], [targets[number] for number in block])
            own = np.array([learned[number] for number in block], dtype=np.float32)
            for number, best in zip(block, cells.mean_best(self._information(cells, own)), strict=True):
                scores[number] = best, (1.0, math.log(len(dominants[number])), math.log(len(targets[number])))
        return scores

    def _information(self, cells: "_Cells", learned: Floats) -> Floats:
        """The pointwise mutual information of both words of each cell, without the pair itself where it was learned."""
        total = len(self.learned)
        own = learned[cells.pair]
        together = self.together[cells.row, cells.column] - own
        expected = (self.target_counts[cells.column] - own + SMOOTHING) / total
        of_dominant = self.dominant_counts[cells.row] - own
        information: Floats = np.log((together + SMOOTHING * expected) / (of_dominant + SMOOTHING) / expected)
        return information


class _Cells:
    """Every word of one sentence beside every word of the other, of several sentence pairs, as flat arrays.

    The arrays of one pair are a few hundred numbers long: to call numpy for each would take longer than to calculate.
    """

    def __init__(self, dominants: Sequence[Places], targets: Sequence[Places]) -> None:
        """The rows and the columns of each pair; neither is empty."""
        self._rows_of_pair = np.array(list(map(len, dominants)), dtype=np.intp)
        self._columns_of_pair = np.array(list(map(len, targets)), dtype=np.intp)
        rows = np.fromiter(chain.from_iterable(dominants), dtype=np.intp)
        columns = np.fromiter(chain.from_iterable(targets), dtype=np.intp)
        widths = np.repeat(self._columns_of_pair, self._rows_of_pair)  # cells of each row
        self._row_starts = np.cumsum(widths) - widths
        first_columns = np.cumsum(self._columns_of_pair) - self._columns_of_pair
        within_row = np.arange(widths.sum()) - np.repeat(self._row_starts, widths)
        self._column_place = np.repeat(np.repeat(first_columns, self._rows_of_pair), widths) + within_row
        self.row = np.repeat(rows, widths)  # (cells,), of the counts
        self.column = columns[self._column_place]  # (cells,)
        self.pair = np.repeat(np.arange(len(dominants)), self._rows_of_pair * self._columns_of_pair)  # (cells,)

    def mean_best(self, values: Floats) -> list[float]:
        """For each pair: the mean over its rows of the best value, and the same over its columns, added."""
        of_rows = np.maximum.reduceat(values, self._row_starts)
        of_columns = np.full(int(self._columns_of_pair.sum()), -np.inf, dtype=values.dtype)
        np.maximum.at(of_columns, self._column_place, values)
        best = zip(
            np.split(of_rows, np.cumsum(self._rows_of_pair)[:-1]),
            np.split(of_columns, np.cumsum(self._columns_of_pair)[:-1]),
            strict=True,
        )
        return [float(np.add.reduce(a) / len(a) + np.add.reduce(b) / len(b)) for a, b in best]


def learn(pairs: Iterable[SentencePair]) -> Lexicon | None:
    """The lexicon of a file's sentence pairs; None where there are too few of them."""
    distinct = list(dict.fromkeys(pairs))[:MAX_SENTENCES]
    if len(distinct) < MIN_SENTENCES:
        return None
    dominants, targets = (_side(texts) for texts in zip(*distinct, strict=True))
    together = np.zeros((len(dominants.vocabulary), len(targets.vocabulary)), dtype=np.float32)
    for rows, columns in zip(dominants.places, targets.places, strict=True):
        if rows and columns:
            together[np.array(rows)[:, None], columns] += 1  # no word stands twice in a set of words
    lexicon = Lexicon(
        frozenset(distinct), dominants.vocabulary, targets.vocabulary, together, dominants.counts(), targets.counts()
    )
    return _scaled(lexicon, distinct, dominants, targets)


@dataclass(frozen=True)
class _Side:
    """The sentences of one side by the words of their vocabulary."""

    vocabulary: dict[str, int]  # word -> its place
    places: Sequence[Places]  # of the words of each sentence

    def counts(self) -> Floats:
        """How many sentences hold each word."""
        everywhere = np.fromiter(chain.from_iterable(self.places), dtype=np.intp)
        return np.bincount(everywhere, minlength=len(self.vocabulary)).astype(np.float32)


@lru_cache(maxsize=1)  # the dominant sentences are mostly those of the language before
def _side(texts: tuple[str, ...]) -> _Side:
    sentences = list(map(words, texts))
    vocabulary = _vocabulary(sentences)
    return _Side(vocabulary, [_places(sentence, vocabulary) for sentence in sentences])


def _scaled(lexicon: Lexicon, pairs: Sequence[SentencePair], dominants: _Side, targets: _Side) -> Lexicon | None:
    """The lexicon with what its scores are, measured on at most 2,000 of its own pairs and as many random ones."""
    sample = range(0, len(pairs), max(1, len(pairs) // 2000))
    moved = [sample[(place + len(sample) // 3) % len(sample)] for place in range(len(sample))]

    def scores(of: Sequence[int]) -> list[Score]:
        rows, columns = [dominants.places[number] for number in sample], [targets.places[number] for number in of]
        learned = [(pairs[a][0], pairs[b][1]) in lexicon.learned for a, b in zip(sample, of, strict=True)]
        return [score for score in lexicon.scores_of_places(rows, columns, learned) if score is not None]

    own, random = scores(sample), scores(moved)
    if min(len(own), len(random)) < MIN_SENTENCES // 2:
        return None
    (usual, deviation), (chance, other) = _line(own), _line(random)
    return replace(lexicon, usual=usual, chance=chance, spread=max((deviation + other) / 2, 0.3))


def _line(scores: Sequence[Score]) -> tuple[Sizes, float]:
    """Scores as a line over the word counts, and how far they stand from it: robust, a tenth may be anywhere."""
    values, sizes = np.array([score for score, _ in scores]), np.array([size for _, size in scores])
    kept = np.ones(len(values), dtype=bool)
    for _ in range(3):
        line = np.linalg.lstsq(sizes[kept], values[kept], rcond=None)[0]
        distances = np.abs(values - sizes @ line)
        deviation = 1.4826 * float(np.median(distances))
        kept = distances <= 3 * deviation + 1e-9
    return (float(line[0]), float(line[1]), float(line[2])), deviation


def _vocabulary(side: Sequence[frozenset[str]]) -> dict[str, int]:
    counts = Counter(word for sentence in side for word in sentence)
    telling = [word for word, count in counts.most_common() if RARE <= count <= COMMON * len(side)]
    return {word: place for place, word in enumerate(telling[:VOCABULARY])}


def _places(sentence: Collection[str], vocabulary: dict[str, int]) -> Places:
    """The places in a vocabulary of those of the words that are in it, in ascending order."""
    return sorted([vocabulary[word] for word in sentence if word in vocabulary])
