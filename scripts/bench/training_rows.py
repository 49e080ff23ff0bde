"""The rows that bench_train.py trains on, as token ids, and how they are batched."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpotrain.model.batches import Tokens

VOCABULARY = 32_000
Answers = tuple[Tokens, Tokens]  # chosen, rejected


@dataclass(frozen=True)
class Row:
    """One training row as token ids: a target pair and its dominant pair."""

    pair: int  # rows of one pair share their dominant side
    target: tuple[Tokens, Tokens]  # chosen, rejected
    dominant: tuple[Tokens, Tokens]

    @property
    def tokens(self) -> int:
        """Target tokens, the unit of throughput."""
        return sum(len(tokens.input_ids) for tokens in self.target)


def read_rows(data: Path | None) -> list[Row]:
    """Rows of the released MPO schema under a BPE trained on them, or random tokens of the same mean lengths."""
    if data is None:
        return synthetic_rows()
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    texts = [six_texts(row) for row in json.loads(data.read_text(encoding="utf-8"))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator((text for six in texts for text in six), trainer)
    pairs: dict[str, int] = {}
    rows = []
    for six in texts:
        ids = [tuple(encoded.ids) or (0,) for encoded in tokenizer.encode_batch(six)]
        rows.append(row_of(pairs.setdefault(six[0], len(pairs)), ids))
    return rows


def six_texts(row: dict[str, Any]) -> list[str]:
    """Dominant prompt, chosen, rejected, then the target's."""
    return [
        text
        for side in ("source", "target")
        for text in (
            row[f"{side}_conversations"][0]["value"],
            row[f"{side}_chosen"]["value"],
            row[f"{side}_rejected"]["value"],
        )
    ]


def synthetic_rows(pairs: int = 100, languages: int = 6) -> list[Row]:
    """Random tokens with the mean lengths of the released Llama file: 26, 43, 96 dominant, 35, 320, 294 target."""
    draw = random.Random(0)

    def ids(mean: int) -> tuple[int, ...]:
        return tuple(draw.randrange(VOCABULARY) for _ in range(max(2, round(draw.lognormvariate(-0.18, 0.6) * mean))))

    rows = []
    for pair in range(pairs):
        dominant = [ids(mean) for mean in (26, 43, 96)]
        rows += [row_of(pair, dominant + [ids(mean) for mean in (35, 320, 294)]) for _ in range(languages)]
    return rows


def row_of(pair: int, ids: Sequence[tuple[int, ...]]) -> Row:
    def side(texts: Sequence[tuple[int, ...]], scored: bool) -> Answers:
        prompt, *answers = texts
        chosen, rejected = (Tokens(prompt + answer, len(prompt), scored=scored) for answer in answers)
        return chosen, rejected

    return Row(pair, target=side(ids[3:], scored=True), dominant=side(ids[:3], scored=False))


def batches_of(rows: Sequence[Row], pairs: int, grouped: bool) -> list[list[Row]]:
    """Shuffled batches; `grouped` keeps the rows of one pair together."""
    rows = list(rows)
    random.Random(0).shuffle(rows)
    if grouped:
        order = {pair: at for at, pair in enumerate(dict.fromkeys(row.pair for row in rows))}
        rows.sort(key=lambda row: order[row.pair])
    batches = [rows[at : at + pairs] for at in range(0, len(rows) - pairs + 1, pairs)]
    random.Random(1).shuffle(batches)
    return batches
