"""What the task's YAML files call: an item for each answered prompt, and each figure over all items of a language."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mpodata.records import Kind
from mpotrain.evaluation.packs.scoring import figures, item, names

KINDS: Final[tuple[Kind, ...]] = ("harmful", "harmless")


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, str]:
    """lm-evaluation-harness: metric -> what its aggregation gets of this document."""
    return dict.fromkeys(names([doc["kind"]]), item(doc, results[0]))


def _figure(name: str) -> Callable[[Sequence[str]], float]:
    def aggregation(items: Sequence[str]) -> float:
        (value,) = [value for (_, figure), value in figures(tuple(items)).items() if figure == name]
        return value

    return aggregation


def __getattr__(name: str) -> Callable[[Sequence[str]], float]:
    """An aggregation by the figure's name: `asr`, `refusal`, `usable_harmful`, ..."""
    if name not in names(KINDS):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _figure(name)
