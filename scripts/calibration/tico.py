"""TICO-19 (CC0-1.0) as aligned sentences, from the translation memories data/TM/all.en-*.tmx of its repository.

Fitted on: its PubMed, Wikipedia and Wikinews documents. Held out: Wikivoyage, Wikisource and the phrases of a medical
phrase book (CMU).
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

FILES = {
    "ar": "ar", "bn": "bn", "es": "es-LA", "fa": "fa", "fr": "fr", "ha": "ha", "hi": "hi", "id": "id", "km": "km",
    "mr": "mr", "ms": "ms", "my": "my", "ne": "ne", "pt": "pt-BR", "ru": "ru", "so": "so", "sw": "sw", "ta": "ta",
    "tl": "tl", "ur": "ur", "zh": "zh", "zu": "zu",
}  # fmt: skip
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
    return halves
