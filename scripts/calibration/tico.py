"""TICO-19 (CC0-1.0) as aligned sentences, from the translation memories data/TM/all.en-*.tmx of its repository.

Fitted on: its PubMed, Wikipedia and Wikinews documents. Held out: Wikivoyage, Wikisource and the phrases of a medical
phrase book (CMU). French and Somali are left out: their memories put many sentences beside others (2 % and more).
"""

import math
import statistics
import xml.etree.ElementTree as ElementTree
from pathlib import Path

FILES = {
    "ar": "ar", "bn": "bn", "es": "es-LA", "fa": "fa", "ha": "ha", "hi": "hi", "id": "id", "km": "km",
    "mr": "mr", "ms": "ms", "my": "my", "ne": "ne", "pt": "pt-BR", "ru": "ru", "sw": "sw", "ta": "ta", "tl": "tl",
    "ur": "ur", "zh": "zh", "zu": "zu",
}  # fmt: skip
LONG = 40  # characters of the English sentence
FARTHEST = 1.0  # distance of a long sentence's log(length ratio) from the median: farther, it translates another one
HELD_OUT = ("Wikivoyage", "Wikisource", "CMU")  # as the names of its documents begin

Sentences = list[tuple[str, str]]  # (English, translation)


def read_tico(memories: Path, language: str) -> tuple[Sentences, Sentences]:
    """The sentences to fit on and those held out, in the order of their documents."""
    halves: tuple[Sentences, Sentences] = ([], [])
    if language not in FILES:
        return halves
    path = memories / f"all.en-{FILES[language]}.tmx"
    for unit in ElementTree.parse(path).getroot().iter("tu"):
        english, translation = ("".join(segment.itertext()).strip() for segment in unit.iter("seg"))
        if english and translation:
            halves[unit.attrib["tuid"].startswith(HELD_OUT)].append((english, translation))
    return _aligned(halves[0]), halves[1]


def _aligned(sentences: Sentences) -> Sentences:
    """Without those whose lengths say that the memory puts them beside another sentence."""
    ratios = [math.log(len(b) / len(a)) for a, b in sentences]
    usual = statistics.median(ratios) if ratios else 0.0
    return [
        pair
        for pair, ratio in zip(sentences, ratios, strict=True)
        if len(pair[0]) < LONG or abs(ratio - usual) <= FARTHEST
    ]
