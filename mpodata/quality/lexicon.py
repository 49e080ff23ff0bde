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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
CHUNK: Final = 1000  # sentences counted at once

Floats = NDArray[np.float32]
SentencePair = tuple[str, str]
Sizes = tuple[float, float, float]  # 1, log of the known words of the dominant and of the target sentence


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
        return sum(self._ratio(*pair) for pair in pairs)

    def _ratio(self, dominant: str, target: str) -> float:
        found = self.score(dominant, target)
        if found is None:
            return 0.0
        score, sizes = found
        usual, chance = float(np.dot(self.usual, sizes)), float(np.dot(self.chance, sizes))
        ratio = (usual - chance) / self.spread**2 * (score - (usual + chance) / 2)
        return max(-STRONGEST, min(STRONGEST, ratio))

    def score(self, dominant: str, target: str) -> tuple[float, Sizes] | None:
        """Mean best mutual information of the known words of both sentences, in nats, and how many these are."""
        rows = _known(dominant, self.dominant_words)
        columns = _known(target, self.target_words)
        if not rows or not columns:
            return None
        own = 1.0 if (dominant, target) in self.learned else 0.0
        total = len(self.learned)
        together = self.together[np.array(rows)[:, None], np.array(columns)] - own
        expected = (self.target_counts[columns][None, :] - own + SMOOTHING) / total
        of_dominant = self.dominant_counts[rows][:, None] - own
        information = np.log((together + SMOOTHING * expected) / (of_dominant + SMOOTHING) / expected)
        score = float(information.max(axis=1).mean() + information.max(axis=0).mean())
        return score, (1.0, math.log(len(rows)), math.log(len(columns)))


def learn(pairs: Iterable[SentencePair]) -> Lexicon | None:
    """The lexicon of a file's sentence pairs; None where there are too few of them."""
    distinct = list(dict.fromkeys(pairs))[:MAX_SENTENCES]
    if len(distinct) < MIN_SENTENCES:
        return None
    sides = [[words(text) for text in texts] for texts in zip(*distinct, strict=True)]
    vocabularies = [_vocabulary(side) for side in sides]
    if not all(vocabularies):
        return None
    counts = np.zeros([len(vocabulary) for vocabulary in vocabularies], dtype=np.float32)
    alone = [np.zeros(len(vocabulary), dtype=np.float32) for vocabulary in vocabularies]
    for start in range(0, len(distinct), CHUNK):
        present = [
            _presence(side[start : start + CHUNK], known) for side, known in zip(sides, vocabularies, strict=True)
        ]  # fmt: skip
        counts += present[0].T @ present[1]
        for total, part in zip(alone, present, strict=True):
            total += part.sum(axis=0)
    lexicon = Lexicon(frozenset(distinct), vocabularies[0], vocabularies[1], counts, alone[0], alone[1])
    return _scaled(lexicon, distinct)


def _scaled(lexicon: Lexicon, pairs: Sequence[SentencePair]) -> Lexicon | None:
    """The lexicon with what its scores are, measured on at most 2,000 of its own pairs and as many random ones."""
    sample = pairs[:: max(1, len(pairs) // 2000)]
    shifted = [(a, sample[(place + len(sample) // 3) % len(sample)][1]) for place, (a, _) in enumerate(sample)]
    own, random = ([found for pair in some if (found := lexicon.score(*pair))] for some in (sample, shifted))
    if min(len(own), len(random)) < MIN_SENTENCES // 2:
        return None
    (usual, deviation), (chance, other) = _line(own), _line(random)
    return replace(lexicon, usual=usual, chance=chance, spread=max((deviation + other) / 2, 0.3))


def _line(scores: Sequence[tuple[float, Sizes]]) -> tuple[Sizes, float]:
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


def _presence(side: Sequence[frozenset[str]], vocabulary: dict[str, int]) -> Floats:
    present = np.zeros((len(side), len(vocabulary)), dtype=np.float32)
    for place, sentence in enumerate(side):
        present[place, [vocabulary[word] for word in sentence if word in vocabulary]] = 1
    return present


def _known(text: str, vocabulary: dict[str, int]) -> list[int]:
    return sorted(map(vocabulary.__getitem__, vocabulary.keys() & words(text)))
