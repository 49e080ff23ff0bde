"""What datasets write to say that a prompt is harmful or harmless: one table for every reader.

A value that is not in the table says nothing: callers refuse it or count the row as unlabelled, and never take it as
harmful. A bare 0, 1, true or false counts only in a column whose name says what it affirms (`is_safe`, `toxicity`).
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from mpodata.records import Kind

# Columns that say what kind of prompt a row holds, the most explicit first.
KIND_COLUMNS: Final = ("kind", "prompt_harm_label", "prompt_label", "label", "harm_label")
# Columns that affirm or deny a kind; `is_safe` beside a `response` speaks of that answer (BeaverTails).
_AFFIRMING_COLUMNS: Final = (
    "is_harmful", "harmful", "prompt_harmful", "is_malicious", "malicious", "is_toxic", "toxic", "toxicity",
    "is_harmless", "harmless", "is_benign", "benign", "prompt_is_harmful", "prompt_toxicity", "prompt_toxic",
    "toxicity_label", "toxic_label", "harmful_label",
)  # fmt: skip
# Columns that mostly hold something else: only a value that is a kind ("benign"), or a yes or no to their name, counts.
_SOMETIMES: Final = (
    "prompt_safety", "safety", "safety_label", "prompt_type", "data_type", "gold_label", "labels", "class",
    "harm", "prompt_harm", "harmfulness", "category", "type", "unharmful", "unsafe", "safe",
)  # fmt: skip
_ANSWERS_ELSEWHERE: Final = ("unsafe", "safe")  # in most tables the answers: only True and False are a label there
_OF_AN_ANSWER_TOO: Final = ("is_unsafe", "is_safe")

_HARMFUL: Final = frozenset({
    "harmful", "unsafe", "toxic", "malicious", "not safe", "non safe", "nonsafe", "not harmless", "dangerous",
    "vanilla harmful", "adversarial harmful", "有害", "不安全", "有害な", "유해", "ضار",
})  # fmt: skip
_HARMLESS: Final = frozenset({
    "vanilla benign", "adversarial benign",  # WildJailbreak's data types
    "harmless", "safe", "benign", "unharmful", "non harmful", "nonharmful", "not harmful", "no harm", "non toxic",
    "nontoxic", "not toxic", "non malicious", "not malicious", "not unsafe", "无害", "安全", "無害", "무해", "آمن",
})  # fmt: skip

_TRUE: Final = frozenset({"true", "yes", "1", "1.0"})
_FALSE: Final = frozenset({"false", "no", "0", "0.0"})

# What a "true" in a column of this name affirms; letters only, so that is_safe, isSafe and "Is safe" are one.
_AFFIRMS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("harmful", "isharmful", "unsafe", "isunsafe", "toxic", "istoxic", "toxicity", "malicious",
                     "ismalicious", "harm", "isharm", "promptharm", "promptharmful", "promptisharmful",
                     "prompttoxicity", "prompttoxic", "toxicitylabel", "toxiclabel", "harmfullabel"), "harmful"),
    **dict.fromkeys(("safe", "issafe", "harmless", "isharmless", "benign", "isbenign", "unharmful"), "harmless"),
}  # fmt: skip
_OPPOSITE: Final[dict[Kind, Kind]] = {"harmful": "harmless", "harmless": "harmful"}


@lru_cache(maxsize=4096)
def folded_name(name: str) -> str:
    """A column's name in lower case with one underscore for spaces and hyphens: "Prompt-Harm Label" as the others."""
    return "_".join(name.casefold().replace("-", " ").split())


def kind_columns(columns: Iterable[str]) -> list[str]:
    """The columns that say what kind of prompt a row holds, in whatever case and spacing, the most explicit first."""
    by_name = {folded_name(name): name for name in reversed(list(columns))}
    answers = by_name.keys() & {"response", "answer", "completion", "output"}
    known = (*KIND_COLUMNS, *_AFFIRMING_COLUMNS, *(() if answers else _OF_AN_ANSWER_TOO))
    return [by_name[name] for name in known if name in by_name]


def kind_column(columns: Iterable[str]) -> str | None:
    """The most explicit of the columns that say what kind of prompt a row holds; None where none does."""
    return next(iter(kind_columns(columns)), None)


def kind_beside(row: Mapping[str, Any]) -> Kind | None:
    """The kind that a row states in a column which mostly holds something else: a category "benign"."""
    stated = {folded_name(str(name)): value for name, value in row.items()}
    for name in _SOMETIMES:
        value = stated.get(name)
        if value is None or (name in _ANSWERS_ELSEWHERE and not isinstance(value, bool)):
            continue
        if kind := kind_of(value, name):
            return kind
    return None


def is_unlabelled(value: Any) -> bool:
    """Does a cell say nothing at all? None, NaN or blank text."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()


def kind_of(value: Any, column: str = "") -> Kind | None:
    """The kind of prompt that a label stands for; None where the table does not know it.

    value: "harmful", "unharmful", "Non-harmful", False, 0, ...; column: the name of the column it stands in.
    """
    if is_unlabelled(value):
        return None
    said = " ".join(str(value).casefold().replace("_", " ").replace("-", " ").split())
    if said in _HARMFUL:
        return "harmful"
    if said in _HARMLESS:
        return "harmless"
    affirmed = _AFFIRMS.get("".join(letter for letter in column.casefold() if letter.isalpha()))
    if affirmed is None:
        return None
    if said in _TRUE:
        return affirmed
    return _OPPOSITE[affirmed] if said in _FALSE else None
