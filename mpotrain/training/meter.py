"""Per-row measurements of a run, averaged over all rows and per language, over all processes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed import all_reduce, is_initialized


class Meter:
    """Collects (rows,) tensors without waiting for the device; one reduction per reading."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = list(languages)  # the same, in the same order, on every process
        self._parts: list[tuple[list[int], Tensor]] = []
        self._names: list[str] = []

    def add(self, languages: Sequence[str], metrics: dict[str, Tensor], counted: Sequence[bool]) -> None:
        """One micro-batch; every one of a run has the same metrics. Rows that are not counted are fillers."""
        self._names = list(metrics)
        table = torch.stack([value.float() for value in metrics.values()], dim=1)
        numbers = [self.languages.index(code) if real else -1 for code, real in zip(languages, counted, strict=True)]
        self._parts.append((numbers, table))

    def read(self, device: torch.device | str = "cpu") -> dict[str, float]:
        """Averages since the last reading, `NAME` over all rows and `NAME/LANGUAGE`; every process must call it."""
        if not self._parts:
            return {}
        width = len(self._names)
        numbers = torch.tensor([number for part, _ in self._parts for number in part])
        table = torch.cat([values for _, values in self._parts]).to("cpu", torch.float64)
        counted = numbers >= 0
        sums = torch.zeros(len(self.languages), width + 1, dtype=torch.float64)  # the last column counts rows
        sums[:, :width].index_add_(0, numbers[counted], table[counted])
        sums[:, width] = numbers[counted].bincount(minlength=len(self.languages))
        self._parts.clear()
        if is_initialized():
            sums = sums.to(device)
            all_reduce(sums)
            sums = sums.cpu()
        return self._averages(sums, width)

    def _averages(self, sums: Tensor, width: int) -> dict[str, float]:
        averages = {name: float(sums[:, n].sum() / sums[:, width].sum()) for n, name in enumerate(self._names)}
        for number, code in enumerate(self.languages):
            if count := float(sums[number, width]):
                averages |= {f"{name}/{code}": float(sums[number, n]) / count for n, name in enumerate(self._names)}
        return averages
