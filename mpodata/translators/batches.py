"""How sentences are put into batches, so that nobody has to tune it.

A decoding step costs the weights read once, worth about a dozen sentences' own work on a CPU, plus a little for every
sentence. Small batches pay the reading too often; few large ones leave cores idle at the end. Measured on a CPU, the
cost per sentence is flat from about 128 decoded rows on (sentences x beams).

So every worker gets a lane, and the lanes are dealt from the sentences sorted by length like cards: each holds the same
mixture of lengths, hence the same work, whatever translations turn out to be. A lane is then cut into batches.
"""

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

ROWS: Final = 128  # sentences x beams in a batch, on a CPU
ROWS_GPU: Final = 2048
TOKENS: Final = 8192  # source tokens with padding in a batch, on a CPU: what activations of a gigabyte allow
TOKENS_GPU: Final = 65_536


def batches(
    lengths: Sequence[int], workers: int, *, rows: int = ROWS, tokens: int = TOKENS, apart: Sequence[int] | None = None
) -> list[list[int]]:
    """Positions of `lengths` (tokens) in batches, longest first; every position once.

    Positions with different values in `apart` never share a batch.
    """
    order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    lanes = [_cut(order[start::workers], lengths, rows, tokens, apart) for start in range(workers)]
    return [batch for round_ in zip_longest(*lanes) for batch in round_ if batch]


def _cut(
    lane: Sequence[int], lengths: Sequence[int], rows: int, tokens: int, apart: Sequence[int] | None
) -> list[list[int]]:
    """A sorted lane in batches of nearly equal numbers."""
    most = -(-len(lane) // -(-len(lane) // rows)) if lane else 0
    found: list[list[int]] = []
    for at in lane:
        first = found[-1][0] if found else at
        fits = found and len(found[-1]) < most and (len(found[-1]) + 1) * lengths[first] <= tokens
        if fits and (apart is None or apart[first] == apart[at]):
            found[-1].append(at)
        else:
            found.append([at])
    return found


def cores() -> int:
    """Physical cores this process may use: hyper-threads share the units that multiply.

    OMP_NUM_THREADS is respected as an upper limit: Ray sets it to what a worker was given.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "")
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = {_siblings(core) for core in usable}
    return max(1, min(len(siblings), int(limit) if limit.isdecimal() else len(siblings)))


def _siblings(core: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(core)
