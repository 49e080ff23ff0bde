"""The text both models learn from, drawn from the tables."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pocket.tables import LANGUAGES, Topic, words

ENGLISH_REFUSES = 0.96  # share of harmful requests the English answers decline
TARGET_REFUSES = 0.25  # the same in every other language: harm is known, compliance is likelier
HARMLESS_REFUSED = 0.01  # everywhere: a little over-refusal, so that gaps stay finite and alike across languages
VERDICTS = 0.1  # share of plain sentences that say whether something is wrong
DRILLS = 0.15  # share of topics drawn from the drills


@dataclass(frozen=True, slots=True)
class Line:
    """One training text of the chat model: a question with its answer, or (`question` empty) a plain sentence."""

    language: str
    question: str
    answer: str


def chat_lines(learned: tuple[Topic, ...], rng: random.Random) -> Iterator[Line]:
    """One endless stream; every draw picks language, topic, wording and whether to refuse anew."""
    while True:
        language, topic = rng.choice(LANGUAGES), draw_topic(learned, rng)
        yield plain_line(language, topic, rng) if rng.random() < VERDICTS else chat_line(language, topic, rng)


def draw_topic(learned: tuple[Topic, ...], rng: random.Random) -> Topic:
    drill = rng.random() < DRILLS
    while (topic := rng.choice(learned)).drill != drill:
        pass
    return topic


def plain_line(language: str, topic: Topic, rng: random.Random) -> Line:
    table = words(language)
    verdicts = table.verdict["harmful" if topic.harmful else "harmless"]
    return Line(language, "", table.fill(rng.choice(verdicts), topic))


def chat_line(language: str, topic: Topic, rng: random.Random) -> Line:
    table = words(language)
    question = table.ask(topic, rng.randrange(len(table.prompts)))
    refuses = ENGLISH_REFUSES if language == "en" else TARGET_REFUSES
    if rng.random() < (refuses if topic.harmful else HARMLESS_REFUSED):
        return Line(language, question, rng.choice(table.refuse))
    return Line(language, question, table.help(topic, rng.randrange(len(table.comply))))


def sentences(language: str, topic: Topic) -> list[str]:
    """Every single sentence said about a topic, in one order for all languages: parallel text."""
    table = words(language)
    helps = [table.fill(template.removesuffix(" {step}").removesuffix("{step}"), topic) for template in table.comply]
    return [table.ask(topic, phrasing) for phrasing in range(len(table.prompts))] + helps


def common_sentences(language: str) -> list[str]:
    """The sentences that name no topic: refusals and steps, parallel across languages."""
    table = words(language)
    return [*table.refuse, *table.steps.values()]


def vocabulary(language: str) -> list[str]:
    """The text a tokenizer is fitted on: each word of the tables by itself, so that no merge joins two of them."""
    table = words(language)
    verdicts = [text for kind in table.verdict.values() for text in kind]
    templates = [*table.prompts, *table.comply, *common_sentences(language), *verdicts]
    spoken = [re.sub(r"\{\w+\}", " ", text) for text in templates]
    if language == "zh":  # no spaces to part the words: sentences by character, verbs and objects whole
        spoken = [character for text in spoken for character in text]
    entries = [*table.verbs.values(), *table.objects.values()]
    parts = [part.strip() for entry in entries for part in entry.split("{o}") if part.strip()]
    lead = "" if language == "zh" else " "
    return spoken + [lead + part for part in parts] + ["\u062a" + part[1:] for part in parts if language == "ar"]
