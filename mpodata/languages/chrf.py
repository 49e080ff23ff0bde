"""chrF: how much two texts of one language have in common, character by character (Popovic 2015), by sacrebleu."""

from functools import cache
from typing import Any

from mpodata.registry import require


def chrf(text: str, reference: str) -> float:
    """0 (nothing in common) to 100 (equal): character n-grams up to 6, beta 2. Raises MissingPackage."""
    return float(_scorer().sentence_score(text, [reference]).score)


@cache
def _scorer() -> Any:
    return require("sacrebleu", package="sacrebleu", purpose="chrF", extra="quality").CHRF()
