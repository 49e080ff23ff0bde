"""Which topics the models learn, which the preference data may use, and which are kept for evaluation."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from pocket.tables import Topic, topics

HELD_COMBINATIONS = 3  # per verb of the preference data: 1 dev, 2 test
HELD_ASIDE = 5  # per verb kept aside: 1 dev, 4 test
RARE = 2  # an object stays in at least this many learned topics


@dataclass(frozen=True, slots=True)
class Splits:
    """Disjoint sets of topics. Only `learned` ones occur in any training text."""

    learned: tuple[Topic, ...]  # in the models' corpora
    preference: tuple[Topic, ...]  # the learned ones whose verb is neither kept aside nor a drill
    dev: tuple[Topic, ...]
    test: tuple[Topic, ...]


def split(seed: int) -> Splits:
    """Hold out some objects of every verb, never an object's last uses: an unseen word is no unseen combination."""
    rng = random.Random(f"split {seed}")
    uses = Counter(topic.object for topic in topics() if not topic.drill)
    verbs = dict.fromkeys(topic.verb for topic in topics() if not topic.drill)
    dev: list[Topic] = []
    test: list[Topic] = []
    for verb in verbs:
        of_verb = [topic for topic in topics() if topic.verb == verb]
        wanted = HELD_ASIDE if of_verb[0].aside else HELD_COMBINATIONS
        held = _hold(of_verb, wanted, uses, rng)
        dev += held[:1]
        test += held[1:]
    held_out = {topic.key for topic in dev + test}
    learned = tuple(topic for topic in topics() if topic.key not in held_out)
    preference = tuple(topic for topic in learned if not (topic.aside or topic.drill))
    return Splits(learned, preference, tuple(dev), tuple(test))


def _hold(of_verb: list[Topic], wanted: int, uses: Counter[str], rng: random.Random) -> list[Topic]:
    held: list[Topic] = []
    for topic in rng.sample(of_verb, len(of_verb)):
        if len(held) < wanted and uses[topic.object] > RARE:
            uses[topic.object] -= 1
            held.append(topic)
    return held
