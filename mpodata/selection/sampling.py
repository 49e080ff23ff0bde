"""Which rows a build takes: a seeded sample, without duplicates, even over categories on request.

Everything here is a stream: rows in, rows out, and a Dropped for each row left out with a reason. Rows that the sample
simply does not need are not dropped, they are not taken.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from mpodata.languages.text import normalised
from mpodata.records import Dropped, SourceRow
from mpodata.registry import require

PERMUTATIONS: Final = 128  # of MinHash; its estimate of the Jaccard similarity is within about 0.09
SHINGLE: Final = 5  # characters; words would leave languages without spaces out


def sample(
    rows: Iterable[SourceRow | Dropped], count: int | None, *, seed: int = 42, stratify: bool = False
) -> Iterator[SourceRow | Dropped]:
    """`count` rows with distinct prompts, drawn by hash; all rows with distinct prompts where `count` is None.

    The draw depends on the rows and the seed, not on their order, and a sample of n is the beginning of every larger
    one. With `stratify` the categories get equal shares, as far as they have rows. Memory holds `count` rows (for each
    category), never the source; without a `count`, eight bytes a prompt. Dropped rows pass through at once; rows whose
    prompt is taken already come as `duplicate`.
    """
    if count is None:
        return without_duplicates(rows)
    return _drawn(rows, count, seed, stratify)


def without_duplicates(rows: Iterable[SourceRow | Dropped]) -> Iterator[SourceRow | Dropped]:
    """The first row of each prompt, in order."""
    seen: set[int] = set()
    for row in rows:
        if isinstance(row, SourceRow):
            group = int(row.group, 16)
            if group in seen:
                row = Dropped("duplicate", f"{row.source_id}: same prompt as an earlier row")
            seen.add(group)
        yield row


def without_near_duplicates(
    rows: Iterable[SourceRow | Dropped], similarity: float = 0.8
) -> Iterator[SourceRow | Dropped]:
    """Rows whose prompt is not nearly an earlier one: Jaccard similarity of 5-character shingles, by MinHash.

    Rows of the very same prompt pass: which of them is taken is for `sample` to say.
    """
    earlier = NearDuplicates(similarity)
    for row in rows:
        if isinstance(row, SourceRow) and (near := earlier.find(row.prompt, row.group, row.source_id)):
            row = Dropped("near-duplicate", f"{row.source_id}: nearly the prompt of {near}")
        yield row


class NearDuplicates:
    """The prompts seen so far, found by similarity."""

    def __init__(self, similarity: float) -> None:
        self._datasketch = require(
            "datasketch", package="datasketch", purpose="Finding near-duplicates", extra="quality"
        )
        self._index = self._datasketch.MinHashLSH(threshold=similarity, num_perm=PERMUTATIONS)
        self._groups: set[int] = set()

    def find(self, prompt: str, group: str, source_id: str) -> str | None:
        """The source_id of an earlier prompt that is nearly this one; else the prompt is remembered, and None.

        `group` (hexadecimal) is shared by prompts that are the same: those are no near-duplicates of each other.
        """
        if int(group, 16) in self._groups:
            return None
        sketch = self._datasketch.MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch([shingle.encode() for shingle in _shingles(prompt)])
        near = self._index.query(sketch)
        if near:
            return str(min(near)[1])
        self._index.insert((len(self._groups), source_id), sketch)
        self._groups.add(int(group, 16))
        return None


def drawn_ids(ids: Iterable[str], count: int, *, seed: int) -> set[str]:
    """`count` of the distinct `ids`, drawn by hash: a draw of n is part of every larger one."""
    return set(heapq.nsmallest(count, set(ids), key=lambda one: (_key(seed, one), one)))


def _shingles(prompt: str) -> set[str]:
    text = normalised(prompt) or prompt
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


class _Smallest:
    """The `count` rows with the smallest keys, one for each prompt."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: dict[str, tuple[int, SourceRow]] = {}  # group -> (key within the group, row)
        self.heap: list[tuple[int, str]] = []  # (minus the group's key, group): the largest key on top

    def offer(self, seed: int, row: SourceRow) -> Dropped | None:
        """Take the row if it is among the smallest; a Dropped for a row that loses its prompt to another."""
        if self.count == 0:  # a counterweight share that rounds to no row
            return None
        within = _key(seed, row.pair_id)
        if row.group in self.taken:
            other_key, other = self.taken[row.group]
            if within < other_key:
                self.taken[row.group], row = (within, row), other
            return Dropped("duplicate", f"{row.source_id}: same prompt as another row")
        key = _key(seed, row.group)
        if len(self.heap) == self.count:
            if key >= -self.heap[0][0]:
                return None
            _, evicted = heapq.heapreplace(self.heap, (-key, row.group))
            del self.taken[evicted]
        else:
            heapq.heappush(self.heap, (-key, row.group))
        self.taken[row.group] = (within, row)
        return None

    def rows(self) -> list[SourceRow]:
        """In the order of their keys."""
        return [self.taken[group][1] for _, group in sorted(self.heap, reverse=True)]


def _drawn(
    rows: Iterable[SourceRow | Dropped], count: int, seed: int, stratify: bool
) -> Iterator[SourceRow | Dropped]:  # fmt: skip
    strata: defaultdict[str, _Smallest] = defaultdict(lambda: _Smallest(count))
    for row in rows:
        if isinstance(row, Dropped):
            yield row
            continue
        lost = strata[row.category if stratify else ""].offer(seed, row)
        if lost is not None:
            yield lost
    drawn = [strata[name].rows() for name in sorted(strata)]
    yield from _in_turns(drawn, count)


def _in_turns(strata: list[list[SourceRow]], count: int) -> Iterator[SourceRow]:
    """One row of each category in turn until `count` are drawn; a prompt is drawn from one category only."""
    prompts: set[str] = set()
    queues = [iter(rows) for rows in strata]
    while queues and len(prompts) < count:
        alive = []
        for queue in queues:
            row = next((row for row in queue if row.group not in prompts), None)
            if row is None:
                continue
            alive.append(queue)
            if len(prompts) < count:
                prompts.add(row.group)
                yield row
        queues = alive


def _key(seed: int, identity: str) -> int:
    """A row's place in the draw."""
    return int.from_bytes(blake2b(f"{seed}:{identity}".encode(), digest_size=8).digest(), "big")
