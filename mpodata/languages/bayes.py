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
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpodata.languages.byte_walk import Automaton, Visits
from mpodata.languages.unpacked import unpacked


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
    weights: NDArray[np.float16]  # (labels, n-grams)
    priors: NDArray[np.float32]  # (labels,)
    labels: Sequence[str]  # a label may stand there twice: a language in two scripts

    def classes(self, labels: Collection[str]) -> Classes:
        """The columns of those labels that the model has."""
        columns = [column for column, label in enumerate(self.labels) if label in labels]
        own = [self.labels[column] for column in columns]
        aliases = [(own.index(label), place) for place, label in enumerate(own) if own.index(label) != place]
        # In C order: n-grams are rows that are taken one by one, in 10 microseconds for 500 instead of 100.
        weights = np.ascontiguousarray(self.weights[columns].T).astype(np.float32)
        return Classes(own, weights, self.priors[columns], aliases)


@cache
def model() -> Model:
    """The model that comes with py3langid; to unpack it takes half a second, which is done once on a machine."""
    arrays = unpacked(f"py3langid-{version('py3langid')}", _shipped)
    automaton = Automaton(arrays["next_state"], arrays["row_start"], arrays["feature"])
    return Model(automaton, arrays["weights"], arrays["priors"], arrays["labels"].tolist())


def _shipped() -> dict[str, NDArray[Any]]:
    from py3langid.langid import MODEL_DIR, MODEL_FILE
    from py3langid.modelio import load_model

    weights, priors, labels, next_state, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    return {
        "weights": np.ascontiguousarray(weights.T),
        "priors": priors,
        "labels": np.array(labels),
        "next_state": np.asarray(next_state).astype(np.int32),
        "row_start": np.asarray(rows).astype(np.int32) << 8,
        "feature": np.array(features, dtype=np.int32),
    }


def encoded(text: str) -> bytes:
    """The bytes that the model reads: composed, and in lower case where all is in capitals."""
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode(errors="surrogatepass")
