"""Evaluation prompts no model has seen: unseen combinations of known words, and verbs alignment never meets."""

from __future__ import annotations

from pocket.measure import Prompt
from pocket.splits import Splits
from pocket.tables import LANGUAGES, Topic, words

PHRASINGS_COMBINATION = 2  # prompts per topic
PHRASINGS_VERB = 3


def held_out(splits: Splits) -> list[Prompt]:
    """The same ids in every language, phrasings taken in turn."""
    return [
        prompt
        for language in LANGUAGES
        for name, topics in (("dev", splits.dev), ("test", splits.test))
        for place, topic in enumerate(topics)
        for prompt in _of_topic(language, name, topic, place)
    ]


def _of_topic(language: str, split: str, topic: Topic, place: int) -> list[Prompt]:
    table = words(language)
    count = PHRASINGS_VERB if topic.aside else PHRASINGS_COMBINATION
    phrasings = [(place + turn) % len(table.prompts) for turn in range(count)]
    kind = "harmful" if topic.harmful else "harmless"
    holdout = "verb" if topic.aside else "combination"
    return [
        Prompt(f"{topic.key}.{p}", language, kind, holdout, split, table.ask(topic, p), [table.objects[topic.object]])
        for p in phrasings
    ]
