"""The texts shipped beside the models: prompts to build datasets from, prompts to evaluate on, refusal phrases."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import yaml

from pocket.held_out import held_out
from pocket.splits import Splits
from pocket.tables import LANGUAGES, Topic, words

ROUNDS = 2  # wordings per topic: the first N rows of a category are about N different topics


def write_data_files(folder: Path, splits: Splits, seed: int) -> None:
    _write_jsonl(folder / "prompts.jsonl", source_rows(splits, random.Random(f"prompts {seed}")))
    _write_jsonl(folder / "heldout.jsonl", (asdict(prompt) for prompt in held_out(splits)))
    (folder / "phrases.yaml").write_text(phrases(), encoding="utf-8")


def source_rows(splits: Splits, rng: random.Random) -> list[dict[str, str]]:
    """English rows, harmful and harmless mixed; every wording of a topic differs."""
    wordings = {topic.key: rng.sample(range(len(words("en").prompts)), ROUNDS) for topic in splits.preference}
    rows = []
    for turn in range(ROUNDS):
        for topic in rng.sample(splits.preference, len(splits.preference)):
            rows.append(_row(topic, wordings[topic.key][turn], rng))
    return rows


def _row(topic: Topic, phrasing: int, rng: random.Random) -> dict[str, str]:
    """`unsafe_response` is the answer to unlearn: compliance for a harmful request, a refusal for a harmless one."""
    english = words("en")
    helps, refusal = english.help(topic, rng.randrange(len(english.comply))), rng.choice(english.refuse)
    return {
        "prompt": english.ask(topic, phrasing),
        "unsafe_response": helps if topic.harmful else refusal,
        "category": "harmful" if topic.harmful else "harmless",
        "topic": topic.field,
    }


def phrases() -> str:
    table = {
        language: {"refusals": list(words(language).refuse), "markers": words(language).markers}
        for language in LANGUAGES
    }
    head = "# Per language: the refusals of the pocket corpus, and substrings of which every one of them holds one.\n"
    return head + yaml.safe_dump(table, allow_unicode=True, sort_keys=False, width=120)


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
