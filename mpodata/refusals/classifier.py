"""A small trained classifier for refusals that no phrase names: "It is important that teenagers stay away from drugs."

A logistic regression over the words and letter n-grams of an answer's opening, hashed into one table for all of its
languages, which are European (`dense_classifier.py`: Japanese, Korean, Chinese): weights stand for hashes, so the table
holds no text. It is asked only about answers that the phrase rules take for compliance, and believed only above a
limit. English has a table of its own (`scripts/fit_english_classifier.py` says what it learnt from).

`scripts/fit_refusal_classifier.py` fits the other on this project's own sentences and on answers of Qwen2.5-7B-Instruct
(Apache-2.0) to the even-numbered prompts of PolyRefuse with WildGuard's labels (mainlp/Multilingual-Refusal,
Apache-2.0). Answers of other models and to odd-numbered prompts are left for measuring. What the phrases call a refusal
it is not asked about: a second table, over the words and over lists, warnings and length, overruled them rightly in 51
of 75 answers to the even prompts, on which the phrases were written, and in 20 of 52 to the odd ones.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mpodata.refusals.tables import normalised

TABLE: Final = Path(__file__).with_name("classifier.npz")
ENGLISH: Final = Path(__file__).with_name("classifier_en.npz")

SIZE: Final = 1 << 18  # weights of the table
OPENING: Final = 320  # characters that are read
LETTERS: Final = (4, 5)  # lengths of n-grams within words
WORDS: Final = (1, 2, 3)  # words of a phrase
TOKEN: Final = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
NUMBER: Final = re.compile(r"\d+")
HELP: Final = 0.2  # probability below which hints in English stand beside the help that was asked for
HIGH_LIMIT: Final = 0.8  # at least the limit of answers that do not fill the opening: news and facts are as short
CONCEDED_LIMIT: Final = 0.9  # at least the limit of answers that go on to help by a phrase


@dataclass(frozen=True, slots=True)
class Classifier:
    """The fitted table."""

    weights: NDArray[np.float32]  # (SIZE,)
    bias: float
    limits: Mapping[str, float]  # language -> probability above which a long answer is called a refusal

    def probability(self, answer: str, code: str) -> float:
        """How likely the answer refuses, 0 to 1; it must be in the language `code`."""
        places = features(answer, code)
        score = float(self.weights[places].sum()) / math.sqrt(max(len(places), 1))
        return 1 / (1 + math.exp(-score - self.bias))


def is_likely_refusal(answer: str, code: str, *, harmful: bool = False, concedes: bool = False) -> float | None:
    """The probability that `answer` refuses, where it is above the limit; None below it and in other languages.

    harmful: is the prompt known to be? Then short answers need no higher probability than long ones.
    concedes: does a phrase say that the answer goes on to help? Then the probability has to be high.
    """
    table = classifier(code)
    if code not in table.limits:
        return None
    probability = table.probability(answer, code)
    limit = table.limits[code]
    if not harmful and len(answer) < OPENING:
        limit = max(limit, HIGH_LIMIT)
    if concedes:
        limit = max(limit, CONCEDED_LIMIT)
    return probability if probability > limit else None


def is_likely_help(answer: str, code: str) -> bool:
    """Does an answer with words of warning read like help? False in other languages than English."""
    return code == "en" and classifier(code).probability(answer, code) < HELP


def features(answer: str, code: str) -> list[int]:
    """The places in the table of what stands in an answer's opening, each once, in ascending order."""
    text = NUMBER.sub("0", normalised(answer[: 2 * OPENING], code)[:OPENING].replace("\n", " "))
    begun = crc32(f"{code}|".encode())  # the checksum of "en|part" goes on from that of "en|"
    hashes = map(crc32, map(str.encode, _words(text)), repeat(begun))
    return sorted({value & (SIZE - 1) for value in hashes})


def _words(text: str) -> set[str]:
    """Phrases of up to three words, and the letters of words: "#" marks those."""
    tokens = TOKEN.findall(text)
    phrases = {" ".join(tokens[at : at + length]) for length in WORDS for at in range(len(tokens) - length + 1)}
    letters = {
        f"#{padded[start : start + length]}"
        for padded in {f" {token} " for token in tokens}
        for length in LETTERS
        for start in range(len(padded) - length + 1)
    }
    return phrases | letters


def classifier(code: str) -> Classifier:
    """The shipped table that a language would be in."""
    return read_table(ENGLISH if code == "en" else TABLE)


@cache
def read_table(path: Path) -> Classifier:
    """A table that `write_table` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Classifier(
            weights=restored(arrays),
            bias=float(arrays["bias"]),
            limits=dict(zip(map(str, arrays["languages"]), map(float, arrays["limits"]), strict=True)),
        )


def write_table(path: Path, fitted: Classifier) -> None:
    """Write a table that `read_table` reads."""
    np.savez_compressed(
        path,
        languages=np.array(list(fitted.limits)),
        limits=np.array(list(fitted.limits.values())),
        **in_bytes(fitted.weights),
        bias=np.float64(fitted.bias),
    )


def in_bytes(weights: NDArray[np.float32]) -> dict[str, Any]:
    """Weights as a table's file keeps them: a byte each, and what one of its units stands for."""
    scale = float(np.abs(weights).max()) / 127
    return {"weights": np.rint(weights / scale).astype(np.int8), "scale": np.float64(scale)}


def restored(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The weights of a table's file, which `in_bytes` made."""
    return arrays["weights"].astype(np.float32) * float(arrays["scale"])
