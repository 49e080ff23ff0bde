"""Every mistake a user can mend, as one small tree.

    MpoError                  exit code 2: one sentence that says what, where, what next
    ├── ConfigError           a flag, option or preset that cannot be right
    │   ├── RecipeError       a recipe of a build that cannot be right
    │   └── UnknownName       a name no table knows, with "did you mean"
    ├── DataError             input rows that cannot be read or used
    ├── ModelError            a model path, template or device that cannot be used
    ├── MissingPackage        an optional package that is not installed
    ├── RemoteError           a service that refused, failed or did not answer in time
    └── VersionError          a dataset version that cannot be read, checked or published
        └── VersionExists     the version is published already and immutable

Only the command lines (`mpodata.cli`, `mpotrain.cli`) catch these. Anything else that escapes is a bug: exit code 1.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MpoError(Exception):
    """Base of everything a user can mend."""


class ConfigError(MpoError):
    """A flag, option or preset that cannot be right."""


class RecipeError(ConfigError):
    """A recipe of a build that cannot be right."""


class UnknownName(ConfigError):
    """A name that no table knows."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}.")


class DataError(MpoError):
    """Input rows that cannot be read or used."""


class ModelError(MpoError):
    """A model path, template or device that cannot be used."""


class MissingPackage(MpoError):
    """An optional package that is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'mpodata[{extra}]'")


class RemoteError(MpoError):
    """A service that refused, failed or did not answer in time."""


class VersionError(MpoError):
    """A dataset version that cannot be read, checked or published."""


class VersionExists(VersionError):
    """The version is published already; versions are immutable."""
