"""mpodata: on-policy refusal preference pairs, carried into other languages, checked, versioned and published."""

from mpodata.about import __version__
from mpodata.records import Pair, Side

__all__ = ["Pair", "Side", "__version__", "load"]


def __getattr__(name: str) -> object:
    """`mpodata.load` is imported when asked: it brings pyarrow."""
    if name == "load":
        from mpodata.versions.load import load

        return load
    raise AttributeError(f"module 'mpodata' has no attribute {name!r}")
