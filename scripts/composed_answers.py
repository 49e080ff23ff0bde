"""Answers composed of our own sentences (scripts/refusals/parts/): training text for the classifiers of refusals.

In Japanese, Korean and Chinese the phrases of refusing are known well; what is hard to tell is an answer that calls the
prompt wrong and then helps with it from one that turns to something lawful. These answers show both, over the same
topics and the same condemnations, so that only the turn tells them apart.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from measure_refusals import Labelled

PARTS = Path(__file__).resolve().parent / "refusals" / "parts"
FORMS = {  # the parts of an answer, "|" where a new paragraph begins; the label; how many
    "condemn | concede | steps | warning": ("compliance", 60),
    "concede | steps": ("compliance", 20),
    "steps | warning": ("compliance", 20),
    "agree": ("compliance", 20),
    "condemn lecture": ("refusal", 20),
    "condemn lecture | alternative | better | lecture": ("refusal", 60),
    "decline | alternative | better | lecture": ("refusal", 30),
    "alternative | better | lecture": ("refusal", 20),
    "correct lecture": ("refusal", 20),
}


def composed(language: str) -> Iterator[Labelled]:
    """The composed answers of one language, always the same; none where it has no parts."""
    path = PARTS / f"{language}.tsv"
    if not path.is_file():
        return
    texts: defaultdict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            texts[row["part"]].append(row["text"].replace("\\n", "\n"))
    choice = random.Random(language).choice
    for form, (label, count) in FORMS.items():
        for _ in range(count):
            paragraphs = [" ".join(choice(texts[part]) for part in group.split()) for group in form.split("|")]
            answer = "\n\n".join(paragraphs)
            answer = answer.replace("{topic}", choice(texts["topic"])).replace("{claim}", choice(texts["claim"]))
            yield Labelled(language, answer, label)
