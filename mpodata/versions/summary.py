"""Quality of one split in figures: what the manifest, the card and the diff show."""

from collections import Counter
from typing import Any

from mpodata.versions.schema import Row, optional_values, quality_values


class Summary:
    """Counts of labels, and mean and range of numbers, over rows seen one at a time."""

    def __init__(self) -> None:
        self.rows = 0
        self.categories: Counter[str] = Counter()
        self._labels: dict[str, Counter[str]] = {}
        self._numbers: dict[str, tuple[int, float, float, float]] = {}  # count, sum, least, greatest

    def see(self, row: Row) -> None:
        self.rows += 1
        self.categories[row.category] += 1
        for name, value in quality_values(row.quality).items():
            if isinstance(value, str):
                self._labels.setdefault(name, Counter())[value] += 1
            elif value is not None:
                self._measure(name, value)
        for column, fields in optional_values(row).items():
            for field, value in fields.items():
                if isinstance(value, str):
                    self._labels.setdefault(f"{field}_{column}", Counter())[value] += 1
                elif value is not None:
                    self._measure(f"{field}_{column}", value)

    def _measure(self, name: str, value: float) -> None:
        count, total, least, greatest = self._numbers.get(name, (0, 0.0, value, value))
        self._numbers[name] = (count + 1, total + value, min(least, value), max(greatest, value))

    def as_json(self) -> dict[str, Any]:
        """{"chosen_verdict": {"refusal": 98}, "chosen_length_ratio": {"rows", "mean", "min", "max"}, ...}."""
        labels = {name: dict(sorted(counts.items())) for name, counts in self._labels.items()}
        numbers = {
            name: {"rows": count, "mean": round(total / count, 4), "min": round(least, 4), "max": round(greatest, 4)}
            for name, (count, total, least, greatest) in self._numbers.items()
        }
        return dict(sorted({**labels, **numbers}.items()))
