"""mpotrain: MPO (Multilingual reward gaP Optimization, not TRL's Mixed Preference Optimization) and its baselines.

    import mpotrain

    mpotrain.train("ROOT/refusals@v1.0.0", "runs/mpo", preset="pocket")
    mpotrain.evaluate("runs/mpo-eval", run="runs/mpo", baseline=True, benchmarks=["pocket"])
    mpotrain.report(["runs/mpo-eval"], "report.html")

Every name of `__all__` is imported when first asked for: `import mpotrain` brings no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mpodata.about import __version__

if TYPE_CHECKING:
    from mpotrain.api import evaluate, gap, report, train

__all__ = ["__version__", "evaluate", "gap", "report", "train"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("mpotrain.api"), name)
    raise AttributeError(f"module 'mpotrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
