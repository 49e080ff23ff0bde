"""What a translation may keep as it stands: quotations, titles, code and passages in a third language."""

import re
from functools import lru_cache
from typing import Final

from mpodata.languages import languages
from mpodata.languages.identification import other_languages

RECENT: Final = 2048  # pairs of texts remembered: two checks ask for the same
SHORTEST: Final = 4  # letters that must be left beside the quotations

# Between marks of one kind, at most 1,000 characters; an apostrophe opens no quotation.
_QUOTED: Final = re.compile(
    r"```.{1,4000}?```|`[^`\n]{1,400}`|\"[^\"]{1,1000}\"|“[^”]{1,1000}”|„[^“”]{1,1000}[“”]|«[^»]{1,1000}»|‘[^’\n]{3,400}’"
    r"|「[^」]{1,1000}」|『[^』]{1,1000}』|《[^》]{1,400}》|(?m:^>.+$)",
    re.DOTALL,
)
_PASSAGE_ENDS: Final = re.compile(r"[\n\t]|: |：")
# Code between its marks, web addresses, e-mail addresses: nothing that a translator would change.
_NO_PROSE: Final = re.compile(r"```.*?```|`[^`\n]+`|\bhttps?://\S+|\bwww\.\S+|\b[\w.+-]+@[\w-]+\.[\w.]+", re.DOTALL)
SHORTEST_PASSAGE: Final = 8  # letters of a passage in a third language
_MARKS: Final = '"“”„«»‘’「」『』《》`> \n\t'


@lru_cache(maxsize=RECENT)
def without_kept_quotations(dominant: str, target: str, language: str = "en") -> tuple[str, str]:
    """Both texts without what the original quotes, or has in another language, and the translation holds word for word.

    `language`: of the original. Unchanged where nothing of the translation would be left: a text that is one quotation
    can be copied as a whole.
    """
    quotations = [inside for quoted in _QUOTED.findall(dominant) if len(inside := quoted.strip(_MARKS)) >= SHORTEST]
    kept = [inside for inside in quotations if inside in target] + _kept_foreign(dominant, target, language)
    if not kept:
        return dominant, target
    original, translation = dominant, target
    for inside in kept:
        original, translation = original.replace(inside, " "), translation.replace(inside, " ")
    if sum(map(str.isalpha, translation)) < SHORTEST:
        return dominant, target
    return original, translation


def has_prose(text: str) -> bool:
    """Is there anything to translate beside code between its marks and addresses?"""
    return sum(map(str.isalpha, _NO_PROSE.sub(" ", text))) >= SHORTEST


def _kept_foreign(dominant: str, target: str, language: str) -> list[str]:
    """Passages of the original that clearly are in another language than `language` and stand in the translation.

    "Is this Marathi sentence polite: ..." is translated around the sentence. Nothing where both texts are one.
    """
    if dominant == target or language not in languages():
        return []
    passages = [passage.strip() for passage in _PASSAGE_ENDS.split(dominant)]
    kept = [passage for passage in passages if sum(map(str.isalpha, passage)) >= SHORTEST_PASSAGE and passage in target]
    return [passage for passage, other in zip(kept, other_languages(kept, language), strict=True) if other is not None]
