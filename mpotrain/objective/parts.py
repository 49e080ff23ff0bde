"""The kinds of sequences that a row can contribute to a forward."""

from dataclasses import dataclass
from enum import Enum, auto


class Part(Enum):
    """The kinds of sequences of a row and its pair, in the order in which they are laid out."""

    CHOSEN = auto()
    REJECTED = auto()
    PROMPT = auto()  # of the row itself, as the model is asked; for its states alone
    DOMINANT_CHOSEN = auto()
    DOMINANT_REJECTED = auto()
    DOMINANT_PROMPT = auto()
    SENTENCE = auto()  # bare text without a chat template, in the target language; for its states alone
    DOMINANT_SENTENCE = auto()  # the same text in the dominant language


@dataclass(frozen=True, slots=True)
class TargetPrompt:
    """The prompt of a row's pair in one target language, for its state alone."""

    language: str


@dataclass(frozen=True, slots=True)
class AllPrompts:
    """The row's own prompt, which its chosen answer follows, then its pair's prompt in every target language."""


DOMINANT = {"chosen": Part.DOMINANT_CHOSEN, "rejected": Part.DOMINANT_REJECTED, "prompt": Part.DOMINANT_PROMPT}
