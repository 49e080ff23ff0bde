"""What datasets call a language: codes, FLORES codes, English and own names, "sp" and "jp", "zh-CN" beside "zh-TW".

Every reader resolves labels here, so that one label means one language everywhere. A label that the table does not hold
is nobody's language: callers refuse it or count the row, they never guess.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpodata.languages.identification import VARIETIES, dominant_language_of
from mpodata.languages.table import languages, names

CONFIRMED: Final = 0.3  # share of a file's texts that must be in the language which a word of its name states
TEXTS_READ: Final = 200  # texts of a file that its language is told from

# Column names that mean something else far more often than the language whose code they are.
IDENTIFIERS: Final = frozenset({"id", "no"})

_SUBTAG: Final = re.compile(r"[-_]")
_WORD_OF_A_NAME: Final = re.compile(r"[\s_./\\]+")
_PREFIXES: Final = ("lang_", "lang-")  # RefusEU's configs: lang_pl
_DIALECTS: Final = {"cantonese": "yue", "traditional chinese": "Hant", "chinese traditional": "Hant"} | {
    "chinese (traditional)": "Hant", "繁體中文": "Hant", "繁体中文": "Hant", "粵語": "yue", "粤语": "yue",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LanguageLabel:
    """A label, understood."""

    code: str  # of languages.tsv: "zh"
    variety: str = ""  # what the label says beyond the code, and our table does not keep apart: "TW", "Hant", "BR"


def language_label(label: Any) -> LanguageLabel | None:
    """The language that the whole of `label` names; None where it names none of the table."""
    if not isinstance(label, str):
        return None
    name = " ".join(label.strip().casefold().split())
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    code = names().get(name.replace("_", "-"))
    if code is not None:
        return LanguageLabel(code)
    if name in _DIALECTS:
        return LanguageLabel("zh", _DIALECTS[name])
    first, *subtags = _SUBTAG.split(name)
    code = names().get(first) or VARIETIES.get(first)
    if code is None or len(first) > 3 or not all(re.fullmatch(r"[a-z]{2,4}|\d{3}", subtag) for subtag in subtags):
        return None
    dialect = [first] if first in VARIETIES else []
    usual = {languages()[code].flores.split("_")[1], *languages()[code].google.split("-")[1:]}  # "Hans", "CN"
    shown = [tag.title() if len(tag) == 4 else tag.upper() for tag in subtags]
    return LanguageLabel(code, "-".join([*dialect, *(tag for tag in shown if tag not in usual)]))


def language_code(label: Any) -> str | None:
    """The code of `languages.tsv` that `label` names, or None."""
    understood = language_label(label)
    return None if understood is None else understood.code


def merged_labels(labels: Iterable[str]) -> dict[str, list[str]]:
    """code -> the labels of different varieties that were read as one language: {"zh": ["zh-CN", "zh-TW"]}."""
    varieties: dict[str, dict[str, str]] = {}
    for label in labels:
        understood = language_label(label)
        if understood is not None:
            varieties.setdefault(understood.code, {}).setdefault(understood.variety, label)
    return {code: sorted(by_variety.values()) for code, by_variety in varieties.items() if len(by_variety) > 1}


def merge_note(labels: Iterable[str]) -> str:
    """One sentence that says which labels were read as one language; "" where none were."""
    merged = merged_labels(labels)
    return "; ".join(f"{', '.join(names)} are read as one language, {code}" for code, names in sorted(merged.items()))


def language_columns(columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """column -> code of the columns that are named after a language, in the order of `columns`.

    "id" and "no" count only where the texts of `rows` in them are Indonesian or Norwegian.
    """
    named = {column: code for column in columns if (code := language_code(column)) is not None}
    return {
        column: code
        for column, code in named.items()
        if column.strip().casefold() not in IDENTIFIERS or _confirmed(code, [row.get(column) for row in rows])
    }


def language_in_name(name: str, texts: Sequence[Any]) -> str | None:
    """The language that a word of a file's or folder's `name` states and its texts confirm; None otherwise.

    `name`: without its suffix, "mgsm_sw" or "XSafety/sp". "my_mgsm_sw" is Swahili where the texts are; "my_prompts"
    with English texts names no language. Texts too short to tell a language from confirm nothing.
    """
    words = [word for word in _WORD_OF_A_NAME.split(name) if word]  # "SW-KE" is one label, "it-security" two words
    candidates = [part for word in reversed(words) for part in (word, *reversed(word.split("-")))]
    named = dict.fromkeys(code for word in candidates if (code := language_code(word)) is not None)
    return next((code for code in named if _confirmed(code, texts)), None)


def _confirmed(code: str, texts: Sequence[Any]) -> bool:
    """Are at least CONFIRMED of the texts in the language `code`?"""
    sample = [text for text in texts if isinstance(text, str)][:TEXTS_READ]
    identified, share = dominant_language_of(sample)
    if identified == code:
        return share >= CONFIRMED
    near = next((group for group in _NEAR if code in group), frozenset())
    return identified in near


# Languages that short texts do not tell apart: a file's stated one is believed where its texts are in a neighbour's.
_NEAR: Final = (
    frozenset({"id", "ms", "jv"}),
    frozenset({"no", "da", "sv"}),
    frozenset({"cs", "sk", "sl"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"es", "pt", "it"}),
)
