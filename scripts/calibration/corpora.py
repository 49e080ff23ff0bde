"""Real parallel text as (English, translation) sentences and as rows that look like the product's.

Blocks of twenty consecutive sentences alternate between the half that thresholds are fitted on and the half that the
table is measured on, so that no sentence serves both.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mpodata.quality.measures import size
from mpodata.records import Pair, Side, content_id

Sentences = list[tuple[str, str]]  # (English, translation)

SHORTEST = 20  # characters, of the English sentence
BLOCK = 20  # sentences

# language -> the codes of NTREX and Tatoeba
FILES = {
    "ar": ("arb", "ara"),
    "bn": ("ben", "ben"),
    "it": ("ita", "ita"),
    "ja": ("jpn", "jpn"),
    "jv": (None, "jav"),
    "ko": ("kor", "kor"),
    "sw": ("swa", "swh"),
    "th": ("tha", "tha"),
    "vi": ("vie", "vie"),
    "zh": ("zho-CN", "cmn"),
}


@dataclass(frozen=True, slots=True)
class Corpus:
    """One collection in one language, in two halves."""

    name: str
    language: str
    fitting: Sentences
    measuring: Sentences


def read_corpora(folder: Path) -> list[Corpus]:
    """NTREX, Tatoeba and Alpaca-safe prompts. Aya is left out: see `aya_is_parallel`."""
    corpora = []
    for language, (ntrex, tatoeba) in FILES.items():
        if ntrex:
            lines = (
                _lines(folder / "ntrex/newstest2019-src.eng.txt"),
                _lines(folder / f"ntrex/newstest2019-ref.{ntrex}.txt"),
            )
            corpora.append(_corpus("ntrex", language, *lines))
        stem = folder / f"tatoeba/tatoeba.{tatoeba}-eng"
        corpora.append(_corpus("tatoeba", language, _lines(Path(f"{stem}.eng")), _lines(Path(f"{stem}.{tatoeba}"))))
    alpaca = json.loads((folder / "language_pull_alpaca_safe_200.json").read_text(encoding="utf-8"))["Instances"]
    for language in FILES:
        if f"input_{language}" in alpaca[0]:
            texts = [row["input_en"] for row in alpaca], [row[f"input_{language}"] for row in alpaca]
            corpora.append(_corpus("alpaca", language, *texts))
    return corpora


def aya_correlation(folder: Path) -> dict[str, float]:
    """Correlation of log-lengths, English against each language of the Aya file: translations have .8 or more."""
    rows = [json.loads(line) for line in (folder / "aya_en_zh_ja_ar_ko_bn_sw_300.jsonl").open(encoding="utf-8")]
    english = np.log([size(row["en"]) + 1 for row in rows])
    return {
        code: float(np.corrcoef(english, np.log([size(row[code]) + 1 for row in rows]))[0, 1])
        for code in rows[0]
        if code != "en"
    }


def aya_texts(folder: Path, language: str) -> list[str]:
    """Genuine texts of one language, for the checks that need no original."""
    rows = [json.loads(line) for line in (folder / "aya_en_zh_ja_ar_ko_bn_sw_300.jsonl").open(encoding="utf-8")]
    return [row[language] for row in rows if row.get(language)]


def sentence_rows(corpus: Corpus, sentences: Sentences) -> list[Pair]:
    """One row a sentence: the prompt is the sentence; the answers are no translations and say nothing wrong."""
    return [_pair(corpus.language, (a, a, a), (b, b, b)) for a, b in sentences]


def answer_rows(corpus: Corpus, sentences: Sentences, count: int, seed: int = 0) -> list[Pair]:
    """Rows as the product has them, of ten sentences: prompt 1; chosen 3, one a line; rejected 6, on two lines.

    They begin at random places and overlap, `count` of them at most one for each sentence.
    """
    random_places = random.Random(seed)
    last = len(sentences) - 10
    starts = sorted(random_places.sample(range(last), min(count, last))) if last > 0 else []
    return [_answer_row(corpus, sentences[start : start + 10]) for start in starts]


def separate_rows(corpus: Corpus, sentences: Sentences) -> list[Pair]:
    """Answer rows that share no sentence, as a file has them."""
    return [_answer_row(corpus, sentences[start : start + 10]) for start in range(0, len(sentences) - 9, 10)]


def _answer_row(corpus: Corpus, ten: Sentences) -> Pair:
    return _pair(corpus.language, _answer([a for a, _ in ten]), _answer([b for _, b in ten]))


def _answer(ten: Sequence[str]) -> tuple[str, str, str]:
    return ten[0], "\n".join(ten[1:4]), " ".join(ten[4:7]) + "\n" + " ".join(ten[7:10])


def _pair(language: str, dominant: tuple[str, str, str], target: tuple[str, str, str]) -> Pair:
    return Pair(content_id(*dominant), Side("en", *dominant), Side(language, *target))


def _corpus(name: str, language: str, english: Sequence[str], translation: Sequence[str]) -> Corpus:
    kept = [
        (a.strip(), b.strip())
        for a, b in zip(english, translation, strict=True)
        if len(a.strip()) >= SHORTEST and b.strip()
    ]
    halves: tuple[Sentences, Sentences] = ([], [])
    for place, sentence in enumerate(kept):
        halves[place // BLOCK % 2].append(sentence)
    return Corpus(name, language, *halves)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")
