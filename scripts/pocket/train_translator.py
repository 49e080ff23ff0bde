"""Train pocket-nllb on single sentences, English to and from every other language."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import M2M100ForConditionalGeneration, NllbTokenizer

from pocket.corpus import common_sentences, draw_topic, sentences, vocabulary
from pocket.splits import split
from pocket.tables import LANGUAGES, TARGETS, Topic, words
from pocket.training import optimise
from pocket.translator_model import make_model, make_tokenizer

STEPS = 1500
BATCH = 64
POOL = 8  # batches cut from one pool sorted by length
RATE = 3e-3
COMMON = 0.06  # share of sentences that name no topic


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids with their language codes and end tokens, as NLLB lays them out."""

    source: list[int]  # <code> tokens </s>
    target: list[int]  # <code> tokens </s>


def train_translator(seed: int, steps: int = STEPS) -> tuple[M2M100ForConditionalGeneration, NllbTokenizer]:
    """From nothing to a trained model."""
    texts = (spaced(language, text) for language in LANGUAGES for text in vocabulary(language))
    tokenizer = make_tokenizer(texts)
    torch.manual_seed(seed)
    model = make_model(tokenizer)
    rng = random.Random(f"translator {seed}")
    optimise(model, _losses(model, tokenizer, split(seed).learned, rng), steps, RATE)
    return model, tokenizer


def spaced(language: str, text: str) -> str:
    """A word start is a space to the tokenizer; Chinese has none."""
    return text if language == "zh" or text.startswith(" ") else " " + text


def draw(learned: tuple[Topic, ...], rng: random.Random) -> tuple[str, str, str, str]:
    """A random sentence pair: source language and text, target language and text."""
    pair = ["en", rng.choice(TARGETS)]
    rng.shuffle(pair)
    if rng.random() < COMMON:
        texts = [common_sentences(language) for language in pair]
    else:
        topic = draw_topic(learned, rng)
        texts = [sentences(language, topic) for language in pair]
    place = rng.randrange(len(texts[0]))
    return pair[0], texts[0][place], pair[1], texts[1][place]


def _encode(tokenizer: NllbTokenizer, language: str, text: str) -> list[int]:
    code = tokenizer.convert_tokens_to_ids(words(language).flores)
    return [code, *tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]


def _losses(
    model: M2M100ForConditionalGeneration, tokenizer: NllbTokenizer, learned: tuple[Topic, ...], rng: random.Random
) -> Iterator[Callable[[], Tensor]]:
    while True:
        drawn = [draw(learned, rng) for _ in range(BATCH * POOL)]
        pool = [Example(_encode(tokenizer, sl, s), _encode(tokenizer, tl, t)) for sl, s, tl, t in drawn]
        pool.sort(key=lambda example: (len(example.source), len(example.target)))
        for start in rng.sample(range(0, len(pool), BATCH), POOL):
            batch = pool[start : start + BATCH]
            yield partial(_loss, model, batch)


def _loss(model: M2M100ForConditionalGeneration, batch: list[Example]) -> Tensor:
    pad, begin = model.config.pad_token_id, model.config.decoder_start_token_id
    source = _pad([example.source for example in batch], pad)
    labels = _pad([example.target for example in batch], pad)
    decoder = torch.cat([torch.full((len(batch), 1), begin), labels[:, :-1]], dim=1)
    hidden = model.model(
        input_ids=source, attention_mask=source.ne(pad).long(), decoder_input_ids=decoder
    ).last_hidden_state
    wanted = labels.ne(pad)
    return cross_entropy(model.lm_head(hidden[wanted]), labels[wanted])


def _pad(rows: list[list[int]], pad_id: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [pad_id] * (longest - len(row)) for row in rows])
