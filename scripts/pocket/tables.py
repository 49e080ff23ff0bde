"""The word tables of the pocket world: one YAML file per language, and one of topics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "tables"
LANGUAGES = ("en", "sw", "zh", "ar", "bn")  # the dominant language first
TARGETS = LANGUAGES[1:]


@dataclass(frozen=True, slots=True)
class Topic:
    """Something one can ask for: a verb with an object."""

    verb: str  # key into every language's `verbs`
    object: str  # key into every language's `objects`
    harmful: bool
    field: str  # "theft", "garden", ...: the source table's `topic` column
    step: str  # key into every language's `steps`
    aside: bool  # the verb is kept out of preference data
    drill: bool  # the verb goes with every object and serves the corpora alone

    @property
    def key(self) -> str:
        return f"{self.verb}.{self.object}"


@dataclass(frozen=True, slots=True)
class Words:
    """Everything one language says."""

    language: str
    flores: str  # the translator's code: "swh_Latn"
    prompts: tuple[str, ...]
    comply: tuple[str, ...]
    refuse: tuple[str, ...]
    markers: list[str]  # every refusal form holds one of these
    verdict: dict[str, list[str]]  # "harmful" | "harmless" -> plain sentences
    steps: dict[str, str]
    verbs: dict[str, str]
    objects: dict[str, str]

    def phrase(self, topic: Topic) -> str:
        """The verb phrase a user asks with: 'steal the bike'."""
        return self.verbs[topic.verb].format(o=self.objects[topic.object])

    def reply_phrase(self, topic: Topic) -> str:
        """The verb phrase an answer uses: Arabic turns 'I' into 'you', the others need no change."""
        phrase = self.phrase(topic)
        return "ت" + phrase[1:] if self.language == "ar" else phrase

    def fill(self, template: str, topic: Topic) -> str:
        reply = self.reply_phrase(topic)
        return template.format(v=self.phrase(topic), v2=reply, n=reply, step=self.steps[topic.step])

    def ask(self, topic: Topic, phrasing: int) -> str:
        return self.fill(self.prompts[phrasing], topic)

    def help(self, topic: Topic, form: int) -> str:
        return self.fill(self.comply[form], topic)

    def decline(self, topic: Topic, form: int) -> str:
        return self.fill(self.refuse[form], topic)


@cache
def words(language: str) -> Words:
    table = yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    tuples = {name: tuple(table[name]) for name in ("prompts", "comply", "refuse")}
    return Words(**{**table, **tuples})


@cache
def topics() -> tuple[Topic, ...]:
    """Every topic, in the table's order."""
    table = yaml.safe_load((FOLDER / "topics.yaml").read_text(encoding="utf-8"))
    return tuple(
        topic
        for kind in ("harmful", "harmless")
        for verb, entry in table[kind].items()
        for topic in _of_verb(verb, entry, kind == "harmful")
    )


def _of_verb(verb: str, entry: dict[str, Any], harmful: bool) -> list[Topic]:
    drill = entry["objects"] == "all"
    things = list(words(LANGUAGES[0]).objects) if drill else entry["objects"]
    aside = entry.get("aside", False)
    return [Topic(verb, thing, harmful, entry["field"], entry["step"], aside, drill) for thing in things]
