"""What a translation may keep as it stands: quotations, titles and code of its original."""

import re
from functools import lru_cache
from typing import Final

RECENT: Final = 512  # pairs of texts remembered: two checks ask for the same
SHORTEST: Final = 4  # letters that must be left beside the quotations

# Between marks of one kind, at most 1,000 characters; an apostrophe opens no quotation.
_QUOTED: Final = re.compile(
    r"```.{1,4000}?```|`[^`\n]{1,400}`|\"[^\"]{1,1000}\"|“[^”]{1,1000}”|„[^“”]{1,1000}[“”]|«[^»]{1,1000}»|‘[^’\n]{3,400}’"
    r"|「[^」]{1,1000}」|『[^』]{1,1000}』|《[^》]{1,400}》|(?m:^>.+$)",
    re.DOTALL,
)
_MARKS: Final = '"“”„«»‘’「」『』《》`> \n\t'


@lru_cache(maxsize=RECENT)
def without_kept_quotations(dominant: str, target: str) -> tuple[str, str]:
    """Both texts without what the original has in quotation marks and the translation holds word for word.

    Unchanged where nothing of the translation would be left: a text that is one quotation can be copied as a whole.
    """
    quotations = [inside for found in _QUOTED.findall(dominant) if len(inside := found.strip(_MARKS)) >= SHORTEST]
    kept = [inside for inside in quotations if inside in target]
    if not kept:
        return dominant, target
    original, translation = dominant, target
    for inside in kept:
        original, translation = original.replace(inside, " "), translation.replace(inside, " ")
    if sum(map(str.isalpha, translation)) < SHORTEST:
        return dominant, target
    return original, translation
