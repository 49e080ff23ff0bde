"""Harmless prompts as counterweight pairs: chosen = a helpful answer, rejected = a refusal.

Harmful pairs alone teach refusing everything. A stated share of pairs the other way round keeps the model helpful.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from mpodata.errors import RecipeError, UnknownName
from mpodata.records import COUNTERWEIGHT, Dropped, SourceRow, content_id

# Refusals to unlearn on harmless prompts, in the languages that serve as dominant ones.
REFUSALS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "Sorry, I'm not able to help with that.",
    ),
    "zh": ("抱歉，我无法帮助您处理这个请求。", "对不起，我不能协助完成这个请求。", "很抱歉，我不能提供这方面的帮助。"),
}


def counterweights(
    rows: Iterable[SourceRow | Dropped], *, dominant: str = "en", refusals: Sequence[str] = ()
) -> Iterator[SourceRow | Dropped]:
    """`rows` as counterweight rows: category `counterweight`, `unsafe` = the refusal that becomes `rejected`.

    Harmful rows among them are dropped as `not-harmless`. `refusals` are sentences in the dominant language; each
    prompt keeps the same one in every build.
    """
    sentences = tuple(refusals) or REFUSALS.get(dominant, ())
    if not sentences:
        raise UnknownName("language of counterweight refusals (give counterweight.refusals):", dominant, REFUSALS)
    for row in rows:
        if isinstance(row, Dropped):
            yield row
        elif row.kind != "harmless":
            yield Dropped("not-harmless", row.source_id)
        else:
            yield counterweight(row, sentences)


def counterweight(row: SourceRow, refusals: Sequence[str]) -> SourceRow:
    """One harmless row with a refusal to unlearn: its own, where its source has one."""
    place = int.from_bytes(blake2b(row.group.encode(), digest_size=8).digest(), "big") % len(refusals)
    refusal = row.unsafe or refusals[place]
    identity = content_id(row.prompt, refusal, row.safe or "")
    return replace(row, unsafe=refusal, category=COUNTERWEIGHT, kind="harmless", pair_id=identity)


def counterweight_count(harmful: int, share: float) -> int:
    """How many counterweight rows make up `share` of all rows beside `harmful` harmful ones."""
    if not 0 <= share < 1:
        raise RecipeError(f"counterweight.share must be at least 0 and below 1, got {share}.")
    return round(harmful * share / (1 - share))
