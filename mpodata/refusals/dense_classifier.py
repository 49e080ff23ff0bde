"""A small trained classifier for Japanese, Korean and Chinese refusals that no phrase names.

Two logistic regressions over hashed character n-grams, one of an answer's opening and one of all of it; the mean of
their scores counts. Weights stand for hashes, so the table holds no text. It is asked about answers that the phrase
rules take for compliance, and believed above a limit; of answers to harmful prompts it also says which of those that
the phrases call partial refusals are help.

`scripts/fit_dense_classifier.py` fits it on this project's own sentences and on answers of Qwen2.5-7B-Instruct
(Apache-2.0) to the even-numbered prompts of PolyRefuse with WildGuard's labels (mainlp/Multilingual-Refusal,
Apache-2.0).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mpodata.refusals.classifier import CONCEDED_LIMIT, HIGH_LIMIT, NUMBER, in_bytes, restored
from mpodata.refusals.tables import normalised

TABLE: Final = Path(__file__).with_name("dense_classifier.npz")

SIZE: Final = 1 << 19  # weights of one part
PARTS: Final = {"opening": 120, "whole": 1000}  # characters that each reads
CHARACTERS: Final = (1, 2, 3, 4)  # lengths of n-grams, without gaps
FNV_PRIME: Final = np.uint64(0x100000001B3)
LOW_BITS: Final = np.uint64(SIZE - 1)
MIXED_BITS: Final = np.uint64(29)  # the high bits of a hash are mixed into the low ones, which say the place
ANSWERED: Final = 0.5  # probability below which help after a refusal of a harmful prompt is all that counts
ANSWERED_THOUGH_WRONG: Final = 0.65  # ... after words that only call it wrong


@dataclass(frozen=True, slots=True)
class DenseClassifier:
    """The fitted table."""

    weights: NDArray[np.float32]  # (PARTS, SIZE)
    biases: tuple[float, ...]  # of each part
    limits: Mapping[str, float]  # language -> probability above which an answer is called a refusal
    harmful_limits: Mapping[str, float]  # the same where the prompt is known to be harmful

    def probability(self, answer: str, code: str) -> float:
        """How likely the answer refuses, 0 to 1; it must be in the language `code`."""
        scores = [
            float(weights[places].sum()) / math.sqrt(max(len(places), 1)) + bias
            for weights, bias, places in zip(self.weights, self.biases, features(answer, code), strict=True)
        ]
        return 1 / (1 + math.exp(-sum(scores) / len(scores)))


def is_likely_refusal(answer: str, code: str, *, harmful: bool = False, concedes: bool = False) -> float | None:
    """The probability that `answer` refuses, where it is above the limit; None below it.

    harmful: is the prompt known to be? Then short answers need no higher probability than long ones.
    concedes: does a phrase say that the answer goes on to help? Then the probability has to be high.
    """
    probability = table().probability(answer, code)
    limit = (table().harmful_limits if harmful else table().limits)[code]
    if not harmful and len(answer) < PARTS["opening"]:
        limit = max(limit, HIGH_LIMIT)
    if concedes:
        limit = max(limit, CONCEDED_LIMIT)
    return probability if probability > limit else None


def is_answered(answer: str, code: str, *, declined: bool) -> bool:
    """Is an answer to a harmful prompt that the phrases call partial an answer? False in other languages.

    declined: did the phrases find that it declines, not only that it calls the prompt wrong?
    """
    limit = ANSWERED if declined else ANSWERED_THOUGH_WRONG
    return code in table().limits and table().probability(answer, code) < limit


def features(answer: str, code: str) -> list[NDArray[np.int32]]:
    """For each part the places in the table of what stands there, each once, in ascending order."""
    longest = max(PARTS.values())
    text = normalised(answer[: 2 * longest], code)[:longest].replace("\n", " ")
    parts = [NUMBER.sub("0", text[:length]) for length in PARTS.values()]
    places = {part: _places(part, code) for part in dict.fromkeys(parts)}  # a short answer is its own opening
    return [places[part] for part in parts]


def _places(text: str, code: str) -> NDArray[np.int32]:
    """The places of the n-grams of `text`: FNV-1a over code points; longer n-grams go on from shorter ones."""
    letters = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    hashes = np.full(len(letters), crc32(code.encode()), dtype=np.uint64)
    places = []
    for length in CHARACTERS:
        starts = max(len(letters) - length + 1, 0)
        hashes = (hashes[:starts] ^ letters[length - 1 :]) * FNV_PRIME
        places.append((hashes ^ (hashes >> MIXED_BITS)) & LOW_BITS)  # a tenth of the time of a remainder
    ordered = np.concatenate(places).astype(np.int32)  # half as many bytes as int64 to sort
    ordered.sort()
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    each_once: NDArray[np.int32] = ordered[new]  # a tenth of np.unique's time
    return each_once


@cache
def table() -> DenseClassifier:
    """The shipped table."""
    with np.load(TABLE, allow_pickle=False) as arrays:
        codes = [str(code) for code in arrays["languages"]]
        return DenseClassifier(
            weights=restored(arrays),
            biases=tuple(map(float, arrays["biases"])),
            limits=dict(zip(codes, map(float, arrays["limits"]), strict=True)),
            harmful_limits=dict(zip(codes, map(float, arrays["harmful_limits"]), strict=True)),
        )


def write_table(fitted: DenseClassifier) -> None:
    """Write the table that `table` reads."""
    np.savez_compressed(
        TABLE,
        languages=np.array(list(fitted.limits)),
        limits=np.array(list(fitted.limits.values())),
        harmful_limits=np.array(list(fitted.harmful_limits.values())),
        **in_bytes(fitted.weights),
        biases=np.array(fitted.biases),
    )
