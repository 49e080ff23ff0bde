"""Text of any script, as comparisons see it."""

import re
import unicodedata

_PUNCTUATION_OR_SPACE = re.compile(r"[\W_]+")


def normalised(text: str) -> str:
    """`text` as duplicates and contamination compare it: NFKC, case-folded, letters and digits only, single spaces."""
    return _PUNCTUATION_OR_SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
