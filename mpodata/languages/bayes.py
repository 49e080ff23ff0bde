"""py3langid's classifier for many texts at once.

The same n-grams, weights and probabilities as `py3langid.langid.LanguageIdentifier` with `norm_probs`, whose
arithmetic this is; a text of 1,000 characters takes 0.1 ms where that takes 0.8. Probabilities differ in their last
bits: here n-grams are added up in one order, there in the order of the text.
"""

import math
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mpodata.languages.byte_walk import Automaton, Visits


@dataclass(frozen=True)
class Classes:
    """The model's columns of some languages."""

    labels: Sequence[str]
    weights: NDArray[np.float32]  # (n-grams, labels)
    priors: NDArray[np.float32]  # (labels,)
    aliases: Sequence[tuple[int, int]]  # columns of one label: the first and each other one

    def likeliest(self, visits: Visits, length: int) -> tuple[str, float]:
        """The label of a text of `length` bytes, and its probability among these."""
        features, counts = visits
        if len(features):
            scores = np.log1p(counts) @ self.weights.take(features, axis=0) + self.priors
        else:
            scores = np.zeros_like(self.priors)
        scores *= 1.0 / math.sqrt(length or 1)  # keeps probabilities calibrated across lengths
        np.exp(scores - scores.max(), out=scores)
        scores /= scores.sum()
        for first, other in self.aliases:
            scores[first] += scores[other]
            scores[other] = 0.0
        best = int(scores.argmax())
        return self.labels[best], float(scores[best])


@dataclass(frozen=True)
class Model:
    """py3langid's tables."""

    automaton: Automaton
    weights: NDArray[np.float16]  # (n-grams, labels)
    priors: NDArray[np.float32]  # (labels,)
    labels: Sequence[str]  # a label may stand there twice: a language in two scripts

    @classmethod
    def shipped(cls) -> Self:
        """The one that comes with py3langid."""
        from py3langid.langid import MODEL_DIR, MODEL_FILE
        from py3langid.modelio import load_model

        weights, priors, labels, next_state, rows, features = load_model(MODEL_DIR / MODEL_FILE)
        automaton = Automaton(
            np.asarray(next_state).astype(np.int32),
            np.asarray(rows).astype(np.int32) << 8,
            np.array(features, dtype=np.int32),
        )
        return cls(automaton, weights, priors, labels)

    def classes(self, labels: Collection[str]) -> Classes:
        """The columns of those labels that the model has."""
        columns = [column for column, label in enumerate(self.labels) if label in labels]
        own = [self.labels[column] for column in columns]
        aliases = [(own.index(label), place) for place, label in enumerate(own) if own.index(label) != place]
        # In C order: n-grams are rows that are taken one by one, in 10 microseconds for 500 instead of 100.
        weights = np.ascontiguousarray(self.weights.take(columns, axis=1), dtype=np.float32)
        return Classes(own, weights, self.priors[columns], aliases)


@cache
def model() -> Model:
    """The shipped model, unpacked once."""
    return Model.shipped()


def encoded(text: str) -> bytes:
    """The bytes that the model reads: composed, and in lower case where all is in capitals."""
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode(errors="surrogatepass")
