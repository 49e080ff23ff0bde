"""How sentences are put into batches, so that nobody has to tune it.

On a CPU two costs decide the size of a batch:

1. Each decoding step reads all weights once, about the cost of 12 sentences. Small batches read them too often.
2. Large batches need blocks of memory that malloc returns to the system after every step. Faulting their pages in again
   costs more than the reading saves: 128 rows (sentences x beams) of NLLB's 256,206 words take a third more CPU time
   than 32 to 64, measured on two cores.

So a batch has as many rows as fit 64 MiB of scores (one float32 for each row and word) and as many tokens as fit 32 MiB
in the widest layer.

Sentences of one length go together, since attention pays for padding. Every worker gets the same number of batches, the
longest sentences first and fewer to a batch, so that the workers end together.
"""

import math
from collections.abc import Sequence
from typing import Final

ROWS: Final = 128  # sentences x beams in a batch, on a CPU; the cost per sentence is flat from 64 on
ROWS_GPU: Final = 2048
SCORES: Final = 64 << 20  # bytes of a step's scores, on a CPU
TOKENS: Final = 2048  # source tokens with padding in a batch, on a CPU: 32 MiB in a layer of 4,096 float32
TOKENS_GPU: Final = 65_536


def batches(
    lengths: Sequence[int], workers: int, *, rows: int = ROWS, tokens: int = TOKENS, apart: Sequence[int] | None = None
) -> list[list[int]]:
    """Positions of `lengths` (tokens) in batches, longest first; every position once.

    As many for each worker, and of equal work where that is possible. Positions with different values in `apart` never
    share a batch.
    """
    order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    mean = sum(lengths) / max(1, len(lengths))
    work = [length + mean for length in lengths]  # an output is not known; half of it is taken to be as all others
    fewest = len(_cut(order, lengths, work, rows, tokens, apart))
    wanted = max(1, -(-fewest // workers)) * workers
    equal = _cut(order, lengths, work, rows, tokens, apart, share=sum(work) / wanted)
    if len(equal) <= wanted:
        return equal
    return _cut(order, lengths, work, min(rows, -(-len(order) // wanted)), tokens, apart)


def _cut(
    order: Sequence[int],
    lengths: Sequence[int],
    work: Sequence[float],
    rows: int,
    tokens: int,
    apart: Sequence[int] | None,
    share: float = math.inf,
) -> list[list[int]]:
    """Sorted positions in batches that keep to the limits, and to about `share` of work each."""
    groups: list[list[int]] = []
    done = 0.0
    for at in order:
        first = groups[-1][0] if groups else at
        fits = groups and len(groups[-1]) < rows and (len(groups[-1]) + 1) * lengths[first] <= tokens
        if fits and (apart is None or apart[first] == apart[at]) and done + work[at] / 2 <= share * len(groups):
            groups[-1].append(at)
        else:
            groups.append([at])
        done += work[at]
    return groups


def rows_of(vocabulary: int) -> int:
    """The most rows to decode at once on a CPU, for a model that scores `vocabulary` words at each step."""
    return max(1, min(ROWS, SCORES // (4 * vocabulary)))
