"""mpodata: on-policy refusal preference pairs, translated into other languages, checked, versioned and published.

    import mpodata

    version = mpodata.build("quickstart", "pocket-refusals")
    for pair in version.pairs("train", languages=["sw"]):
        ...

Every name of `__all__` is imported when first asked for: `import mpodata` brings no pyarrow, torch or transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mpodata.about import __version__
from mpodata.records import Pair, Side

if TYPE_CHECKING:
    from mpodata.api import build, diff, load, plan, publish, verify
    from mpodata.audit import audit_data as audit
    from mpodata.recipe import Recipe

__all__ = [
    "Pair",
    "Recipe",
    "Side",
    "__version__",
    "audit",
    "build",
    "diff",
    "load",
    "plan",
    "publish",
    "verify",
]

_WHERE = {"Recipe": "mpodata.recipe"} | dict.fromkeys(
    ["build", "diff", "load", "plan", "publish", "verify"], "mpodata.api"
)


def __getattr__(name: str) -> object:
    if name == "audit":  # the room `mpodata.audit` is called like the function it holds
        return import_module("mpodata.audit")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'mpodata' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
