"""Which rows every process sees, in which micro-batch of which global batch."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

Slot = tuple[int, float]  # a row's number and its share of the loss; share 0 only fills a place


class GlobalOrder(Sampler[list[Slot]]):
    """A seeded order of all rows, cut into global batches, each sliced over processes and micro-batches.

    The order knows nothing of the number of processes, so a run on one process and a run on eight see the same global
    batches. A row's share is `processes / rows in its global batch`: gradients are averaged over processes and summed
    over micro-batches, so every global batch, the short last one included, gives the mean over its rows. A micro-batch
    that would be empty gets one filler of share 0, because sharded models need every process in every forward.
    """

    def __init__(
        self,
        pair_ids: Sequence[str],
        *,
        batch: int,
        processes: int = 1,
        rank: int = 0,
        accumulation: int = 1,
        seed: int = 42,
        group_by_pair: bool = False,
    ) -> None:
        self.pair_ids = list(pair_ids)
        self.batch = batch
        self.processes = processes
        self.rank = rank
        self.accumulation = accumulation
        self.seed = seed
        self.group_by_pair = group_by_pair
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Micro-batches of this process in one epoch."""
        return -(-len(self.pair_ids) // self.batch) * self.accumulation

    def __iter__(self) -> Iterator[list[Slot]]:
        order = self.rows()
        for start in range(0, len(order), self.batch):
            yield from self._slices(order[start : start + self.batch])

    def rows(self) -> list[int]:
        """This epoch's order of all rows."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order: list[int] = torch.randperm(len(self.pair_ids), generator=generator).tolist()
        if not self.group_by_pair:
            return order
        groups: dict[str, list[int]] = {}
        for row in order:
            groups.setdefault(self.pair_ids[row], []).append(row)
        return [row for group in groups.values() for row in group]

    def _slices(self, rows: list[int]) -> Iterator[list[Slot]]:
        """This process' micro-batches of one global batch: contiguous parts whose sizes differ by at most one."""
        parts = self.processes * self.accumulation
        share = self.processes / len(rows)
        for part in range(self.rank * self.accumulation, (self.rank + 1) * self.accumulation):
            start, end = part * len(rows) // parts, (part + 1) * len(rows) // parts
            yield [(row, share) for row in rows[start:end]] or [(rows[0], 0.0)]
