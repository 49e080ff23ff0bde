"""Characters that a translator's vocabulary lacks: kept around the translation, never lost in silence.

A model reads such a character as `<unk>` and leaves it out of what it writes. Signs and emoji are cut out of the
segment and put back where they stood; invisible ones are left out; a text with a letter that the model cannot read is
not translated.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from mpodata.records import Dropped
from mpodata.translators.segments import Piece, trimmed

REASON: Final = "unknown-characters"
VARIATION: Final = re.compile("[\ufe00-\ufe0f]")  # how the character before is drawn


def around_unknown(pieces: Sequence[Piece], unknown: Sequence[str]) -> list[Piece] | Dropped:
    """`pieces` cut around unknown signs; Dropped where a letter, accent or digit is unknown.

    unknown: for each piece the characters that the vocabulary lacks, "" where there are none.
    """
    letters = {c for characters in unknown for c in characters if unicodedata.category(c)[0] in "LMN"}
    if unreadable := sorted(letters - set(VARIATION.findall("".join(letters)))):
        return Dropped(REASON, f"the translator cannot read {' '.join(unreadable[:10])}")
    return [
        part
        for piece, characters in zip(pieces, unknown, strict=True)
        for part in (_cut(piece.text, characters) if characters else [piece])
    ]


def _cut(text: str, characters: str) -> list[Piece]:
    invisible = {c for c in characters if unicodedata.category(c) == "Cf" or VARIATION.match(c)}
    signs = set(characters) - invisible
    if not signs:
        return list(trimmed(re.sub(f"[{re.escape(''.join(invisible))}]", "", text)))
    run = re.compile(f"((?:[{re.escape(''.join(signs))}][\ufe00-\ufe0f\u200d]*)+)")
    pieces: list[Piece] = []
    for at, part in enumerate(run.split(text)):
        if at % 2:
            pieces.append(Piece(part, translate=False))
        else:
            pieces += trimmed(part)
    return pieces
