"""The language that an answer is written in, told cheaply: identification is asked only where a look is not enough."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from mpodata.languages import language
from mpodata.languages.identification import UNDETERMINED, identify
from mpodata.refusals.tables import covered, normalised, rules_of

LOOKED_AT: Final = 200  # characters of an answer's opening
WORDS: Final = 3  # frequent words of a language that settle that an answer is in it
BELIEF: Final = 0.8  # minimum confidence for an identified language to replace the row's
LIKELIER: Final = 0.6  # ... of two neighbours for the other one to be read
NEIGHBOURS: Final = frozenset({"cs", "sk"})  # a look does not tell them apart
LETTERS: Final = 4  # a Latin answer with fewer is taken to be in the row's language

NO_LETTER: Final = re.compile(r"[^\w\s]+")
_LATIN: Final = re.compile(r"[a-zA-Z\u00c0-\u024f\u1e00-\u1eff]")
_SCRIPTS: Final = {
    "han": re.compile(r"[\u3400-\u9fff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul": re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "bengali": re.compile(r"[\u0980-\u09ff]"),
    "thai": re.compile(r"[\u0e00-\u0e7f]"),
}
LATIN_TO_DENSE: Final = 3  # Latin letters that one letter of another script outweighs: names stay in Latin letters


def spoken_language(answer: str, row_language: str) -> str:
    """The language of `answer`: the row's where nothing speaks against it, else the identified one.

    A language that has no rules is returned as it is identified; the caller has to say that it cannot judge it.
    """
    opening = answer[:LOOKED_AT]
    looks_right = _LOOKS.get(language(row_language).script)
    if looks_right is None or looks_right(opening, row_language):
        return _of_two_neighbours(opening, row_language) if row_language in NEIGHBOURS else row_language
    [(code, belief)] = identify([opening], covered() | {row_language})
    if code in covered() and _has_none_of_its_letters(opening, row_language):
        return code
    return code if code != UNDETERMINED and belief >= BELIEF else row_language


def _of_two_neighbours(opening: str, row_language: str) -> str:
    """The row's language or the one beside it, whose frequent words and letters are nearly the same."""
    [(code, belief)] = identify([opening], NEIGHBOURS)
    return code if code in NEIGHBOURS and belief >= LIKELIER else row_language


def _latin(opening: str, row_language: str) -> bool:
    own_words = rules_of(row_language).words
    own = sum(word in own_words for word in NO_LETTER.sub(" ", normalised(opening, row_language)).split())
    if own >= WORDS:
        return True
    letters = sum(map(str.isalpha, opening))
    latin = len(_LATIN.findall(opening))
    return letters == 0 or (letters == latin and letters < LETTERS)


def _in_own_script(opening: str, row_language: str) -> bool:
    script = language(row_language).script
    own, latin = len(_SCRIPTS[script].findall(opening)), len(_LATIN.findall(opening))
    if script == "kana" and own:
        return True
    if script == "han" and _SCRIPTS["kana"].search(opening):
        return False
    return own * LATIN_TO_DENSE > latin or not any(map(str.isalpha, opening))


def _has_none_of_its_letters(opening: str, row_language: str) -> bool:
    """Does an answer to a row in another than the Latin script hold not one letter of that script?"""
    letters = _SCRIPTS.get(language(row_language).script)
    return letters is not None and letters.search(opening) is None


_LOOKS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "latin": _latin,
    **dict.fromkeys(_SCRIPTS, _in_own_script),
}
