"""Rows that look like the product's, made of parallel sentences."""

import random
from collections.abc import Sequence

from calibration.corpora import Corpus, Sentences
from mpodata.records import Pair, Side, content_id

ANSWERS: tuple[str, ...] = ("prompt", "chosen", "rejected")


def sentence_rows(corpus: Corpus) -> list[Pair]:
    """One row a sentence: the prompt is the sentence; the answers are no translations and say nothing wrong."""
    return [_pair(corpus.language, (a, a, a), (b, b, b)) for a, b in corpus.sentences]


def answer_rows(corpus: Corpus, count: int, seed: int = 0) -> list[Pair]:
    """Rows as the product has them, of ten sentences: prompt 1; chosen 3, one a line; rejected 6, on two lines.

    They begin at random places and overlap, `count` of them at most one for each sentence.
    """
    last = len(corpus.sentences) - 10
    starts = sorted(random.Random(seed).sample(range(last), min(count, last))) if last > 0 else []
    return [_answer_row(corpus.language, corpus.sentences[start : start + 10]) for start in starts]


def separate_rows(corpus: Corpus) -> list[Pair]:
    """Answer rows that share no sentence, as a file has them."""
    sentences = corpus.sentences
    return [_answer_row(corpus.language, sentences[start : start + 10]) for start in range(0, len(sentences) - 9, 10)]


def _answer_row(language: str, ten: Sentences) -> Pair:
    return _pair(language, _answer([a for a, _ in ten]), _answer([b for _, b in ten]))


def _answer(ten: Sequence[str]) -> tuple[str, str, str]:
    return ten[0], "\n".join(ten[1:4]), " ".join(ten[4:7]) + "\n" + " ".join(ten[7:10])


def _pair(language: str, dominant: tuple[str, str, str], target: tuple[str, str, str]) -> Pair:
    return Pair(content_id(*dominant), Side("en", *dominant), Side(language, *target))
