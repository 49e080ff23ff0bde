"""What the translator does with held-out topics, through the real CTranslate2 conversion."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import py3langid
import sacrebleu
from transformers import AutoTokenizer

from pocket.corpus import common_sentences, sentences
from pocket.tables import LANGUAGES, TARGETS, Topic, topics, words


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction's figures on single sentences."""

    source: str
    target: str
    sentences: int
    exact: float  # share equal to the reference
    chrf: float  # sacrebleu's chrF2, 0 to 100


def measure_translator(folder: Path, held: Sequence[Topic]) -> list[Direction]:
    """Both directions of every pair with English, int8, greedy."""
    with tempfile.TemporaryDirectory() as converted:
        ctranslate2.converters.TransformersConverter(str(folder)).convert(converted, quantization="int8", force=True)
        translator = ctranslate2.Translator(converted, device="cpu", intra_threads=1)
        pairs = [("en", target) for target in TARGETS] + [(source, "en") for source in TARGETS]
        return [_direction(folder, translator, source, target, held) for source, target in pairs]


def _direction(
    folder: Path, translator: ctranslate2.Translator, source: str, target: str, held: Sequence[Topic]
) -> Direction:
    tokenizer = AutoTokenizer.from_pretrained(folder, src_lang=words(source).flores)
    given = [text for topic in held for text in sentences(source, topic)]
    wanted = [text for topic in held for text in sentences(target, topic)]
    found = translator.translate_batch(
        [tokenizer.convert_ids_to_tokens(tokenizer.encode(text)) for text in given],
        target_prefix=[[words(target).flores]] * len(given),
        beam_size=1,
        max_batch_size=2048,
        batch_type="tokens",
        max_decoding_length=64,
    )
    texts = [tokenizer.decode(tokenizer.convert_tokens_to_ids(best.hypotheses[0][1:])) for best in found]
    exact = sum(text == want for text, want in zip(texts, wanted, strict=True)) / len(wanted)
    return Direction(source, target, len(wanted), exact, sacrebleu.corpus_chrf(texts, [wanted]).score)


def recognised() -> dict[str, float]:
    """Per language, the share of its sentences that py3langid, choosing among these languages, names rightly."""
    py3langid.set_languages(list(LANGUAGES))
    shares = {}
    for language in LANGUAGES:
        texts = {text for topic in topics() for text in sentences(language, topic)} | set(common_sentences(language))
        shares[language] = sum(py3langid.classify(text)[0] == language for text in texts) / len(texts)
    return shares
