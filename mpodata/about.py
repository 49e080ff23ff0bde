"""The installed version, which manifests, cards and signatures record."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mpodata")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
