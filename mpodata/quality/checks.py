"""The checks of a pair: each names what is wrong with the target side, or nothing. The first reason wins."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mpodata.languages.identification import UNDETERMINED
from mpodata.languages.text import normalised, without_pictures
from mpodata.quality import measures
from mpodata.quality.alignment import alignment_evidence
from mpodata.quality.completeness import incompleteness
from mpodata.quality.cues import sentences
from mpodata.quality.quotations import has_prose, without_kept_quotations
from mpodata.quality.thresholds import Thresholds, thresholds
from mpodata.quality.words import familiar_words
from mpodata.records import FIELDS, Pair

SHORTEST_COPY: Final = 12  # letters and digits; a shorter text may be a name, which stays as it is
SHORTEST_SENTENCE: Final = 20  # characters; a shorter sentence may be a quotation that stays as it is
COPIED_SHARE: Final = 0.25  # of the original that may stand in its translation, sentence by sentence
SHORTEST_LENGTH: Final = 16  # characters of an original that can say what is missing
LEAST_FAMILIAR: Final = 0.6  # of the usual share of familiar words: with less, a text is of another kind or spelling
FEW_WORDS: Final = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a pair: the original, its translation and what was measured of it."""

    name: str  # "prompt", "chosen" or "rejected"
    dominant: str
    target: str
    language: str  # the target language
    detected: str | None  # the language the translation is in


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field."""

    reason: str
    field: str


@dataclass(frozen=True, slots=True)
class Check:
    """Called with a pair and its thresholds: the reason, or None."""

    reason: str
    wrong: Callable[[Field, Thresholds], bool]
    compares: bool = False  # with the original's text: makes sense for fields that are translations of it only

    def __call__(self, pair: Pair, limits: Thresholds, translated: Sequence[str] = FIELDS) -> str | None:
        return self.reason if self.where(pair, limits, translated) else None

    def where(self, pair: Pair, limits: Thresholds, translated: Sequence[str] = FIELDS) -> list[str]:
        """The fields that are wrong."""
        looked_at = (field for field in fields(pair) if not self.compares or field.name in translated)
        return [field.name for field in looked_at if self.wrong(field, limits)]


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A field, or the whole target side, belongs to another row: words, names, numbers, marks and lengths say so."""

    reason: str = "shuffled"
    compares: bool = True

    def __call__(self, pair: Pair, limits: Thresholds, translated: Sequence[str] = FIELDS) -> str | None:
        return self.reason if self.where(pair, limits, translated) else None

    def where(self, pair: Pair, limits: Thresholds, translated: Sequence[str] = FIELDS) -> list[str]:
        """The fields that are out of step; all of them where only their sum says so."""
        evidence = row_evidence(pair, limits, translated)
        sizes = {name: measures.size(getattr(pair.dominant, name)) for name in evidence}
        alone = [name for name, value in evidence.items() if value < limits.least_evidence(sizes[name])]
        if not alone and sum(evidence.values()) < limits.least_row_evidence(sum(sizes.values())):
            alone = list(evidence)
        return [name for name in alone if familiar(getattr(pair.target, name), limits)]


def familiar(target: str, limits: Thresholds) -> bool:
    """Are the words of a text those that its language's table was counted on? Of others, it cannot say what is missing.

    A text of few words has the benefit of the doubt, as if FEW_WORDS more were as familiar as usual.
    """
    counts = familiar_words(target, limits.dominant, limits.language)
    if counts is None:
        return True
    known, total = counts
    return known + FEW_WORDS * limits.familiar >= LEAST_FAMILIAR * limits.familiar * (total + FEW_WORDS)


def row_evidence(pair: Pair, limits: Thresholds, translated: Sequence[str] = FIELDS) -> dict[str, float]:
    """Field -> the evidence that its two sides belong together, in nats; below 0 speaks against."""
    return {
        field.name: alignment_evidence(field.dominant, field.target, limits)
        for field in fields(pair)
        if field.name in translated
    }


@lru_cache(maxsize=1)  # every check asks
def fields(pair: Pair) -> tuple[Field, ...]:
    """Prompt, chosen and rejected of a pair."""
    return tuple(
        Field(
            name,
            getattr(pair.dominant, name),
            getattr(pair.target, name),
            pair.target.language,
            getattr(pair.quality, f"{name}_language"),
        )
        for name in FIELDS
    )


def first_reason(pair: Pair, *, translated: Sequence[str] = FIELDS) -> str | None:
    """Why a measured pair should not be trained on, or None.

    `translated` names the fields that translate the dominant side; answers sampled in the target language (MAPO, ICR,
    native LIDR) do not, and are not compared with it.
    """
    limits = thresholds(pair.target.language, pair.dominant.language)
    return next((reason for check in CHECKS if (reason := check(pair, limits, translated))), None)


def faults(pair: Pair, *, translated: Sequence[str] = FIELDS) -> Iterator[Fault]:
    """Everything that is wrong with a measured pair."""
    limits = thresholds(pair.target.language, pair.dominant.language)
    for check in CHECKS:
        for name in check.where(pair, limits, translated):
            yield Fault(check.reason, name)


def empty(field: Field, _: Thresholds) -> bool:
    """Nothing is left."""
    return not field.target.strip()


# Letters that stay beyond ASCII in every normalisation: a text that has one is no copy of an ASCII text.
_NEVER_ASCII: Final = re.compile("(?![\u0640])(?=[^\\W\\d_])[\u0400-\u1cff\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def copied(field: Field, limits: Thresholds) -> bool:
    """The translator handed the original back, or a good part of its sentences; quotations may stay as they are,
    and so may a text that is nothing but marked code or an address.

    The part is one of the original: in Chinese, a kept English passage is most of the translation's characters.
    """
    if not (field.dominant.isascii() and _NEVER_ASCII.search(field.target)):
        whole = without_pictures(normalised(field.dominant))
        if len(whole) >= SHORTEST_COPY and whole == without_pictures(normalised(field.target)):
            return has_prose(field.dominant)
    original, translation = without_kept_quotations(field.dominant, field.target, limits.dominant)
    same = [part for part in sentences(original) if len(part) >= SHORTEST_SENTENCE and part in translation]
    return sum(map(len, same)) > COPIED_SHARE * len(original.strip())


def wrong_language(field: Field, _: Thresholds) -> bool:
    """The text is in another language than the one it is stored under."""
    return field.detected not in (None, UNDETERMINED, field.language)


def leftovers(field: Field, _: Thresholds) -> bool:
    """HTML entities or tokeniser marks that the original does not have."""
    return measures.leftovers(field.target) > measures.leftovers(field.dominant)


def looping(field: Field, limits: Thresholds) -> bool:
    """The text repeats itself more than its original does: a decoder that could not stop."""
    repeated = measures.repetition(field.target)
    return repeated > limits.repetition and repeated - measures.repetition(field.dominant) > limits.repetition


def lost_newlines(field: Field, limits: Thresholds) -> bool:
    """Lines were run together."""
    original = measures.lines(field.dominant)
    return original > 1 and measures.lines(field.target) < original * limits.lines


def incomplete(field: Field, limits: Thresholds) -> bool:
    """The text breaks off, or lacks what stands at the end of its original."""
    size = measures.size(field.dominant)
    if size < SHORTEST_LENGTH:
        return False
    return incompleteness(field.dominant, field.target, limits) > limits.most_incompleteness(size)


def length_ratio(field: Field, limits: Thresholds) -> bool:
    """Far shorter or longer than a translation of this original would be: much is missing, or something was added."""
    dominant, target = measures.size(field.dominant), measures.size(field.target)
    if dominant < SHORTEST_LENGTH or not target:
        return False
    return not limits.shortest <= limits.z(dominant, target) <= limits.longest


CHECKS: Final[tuple[Check | Shuffled, ...]] = (
    Check("empty", empty),
    Check("copied", copied),
    Check("wrong-language", wrong_language),
    Check("leftover-entities", leftovers),
    Check("looping", looping),
    Check("lost-newlines", lost_newlines, compares=True),
    Check("length-ratio", length_ratio, compares=True),
    Check("incomplete", incomplete, compares=True),
    Shuffled(),
)
