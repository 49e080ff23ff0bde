"""The installed version, which manifests, cards and signatures record, and where the package keeps what it made."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("mpodata")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"


def cache_folder() -> Path:
    """Where journals, converted models and downloads are kept: `$MPODATA_CACHE`, else `~/.cache/mpodata`."""
    return Path(os.environ.get("MPODATA_CACHE") or Path.home() / ".cache" / "mpodata")
