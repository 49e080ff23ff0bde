"""Train pocket-chat: answers only for chat turns, every token for plain sentences."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from pocket.chat_model import make_model, make_tokenizer
from pocket.corpus import Line, chat_lines, vocabulary
from pocket.splits import split
from pocket.tables import LANGUAGES
from pocket.training import optimise

STEPS = 1600
BATCH = 32
POOL = 8  # batches cut from one pool
RATE = 2e-3


def train_chat(seed: int, steps: int = STEPS) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """From nothing to a trained model."""
    learned = split(seed).learned
    tokenizer = make_tokenizer(text for language in LANGUAGES for text in vocabulary(language))
    torch.manual_seed(seed)
    model = make_model(tokenizer)
    lines = chat_lines(learned, random.Random(f"chat {seed}"))
    optimise(model, _losses(model, tokenizer, lines), steps, RATE)
    return model, tokenizer


def _losses(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, lines: Iterator[Line]
) -> Iterator[Callable[[], Tensor]]:
    rng = random.Random(0)
    while True:  # a pool sorted by length, cut into batches: a third less padding
        pool = sorted((encode(tokenizer, next(lines)) for _ in range(BATCH * POOL)), key=lambda row: len(row[0]))
        for start in rng.sample(range(0, len(pool), BATCH), POOL):
            ids, labels = pad(pool[start : start + BATCH], tokenizer.pad_token_id)
            yield partial(_loss, model, ids, labels)


def _loss(model: LlamaForCausalLM, ids: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the positions that carry a label; logits are computed there only."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    wanted = labels[:, 1:] != -100
    return cross_entropy(model.lm_head(hidden[wanted]), labels[:, 1:][wanted])


def encode(tokenizer: PreTrainedTokenizerFast, line: Line) -> tuple[list[int], list[int]]:
    """Token ids and labels (-100 where nothing is learned) of one text."""
    if not line.question:
        ids = [*tokenizer.encode(line.answer), tokenizer.eos_token_id]
        return ids, ids
    ask = [{"role": "user", "content": line.question}]
    prompt = tokenizer.apply_chat_template(ask, add_generation_prompt=True, return_dict=False)
    answer = [*tokenizer.encode(line.answer, add_special_tokens=False), tokenizer.eos_token_id]
    return prompt + answer, [-100] * len(prompt) + answer


def pad(rows: list[tuple[list[int], list[int]]], pad_id: int) -> tuple[Tensor, Tensor]:
    """(batch, longest) ids and labels, padded on the right, so causal attention needs no mask."""
    longest = max(len(ids) for ids, _ in rows)
    ids = [ids + [pad_id] * (longest - len(ids)) for ids, _ in rows]
    labels = [labels + [-100] * (longest - len(labels)) for _, labels in rows]
    return torch.tensor(ids), torch.tensor(labels)
