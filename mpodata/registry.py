"""Names a user types, resolved when asked: `name -> "module:object"`."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mpodata.errors import ConfigError, MissingPackage, UnknownName


def check_name(kind: str, table: Mapping[str, str], name: str) -> None:
    """Raises UnknownName, with the closest match, for a name that `table` lacks; imports nothing."""
    if name not in table:
        raise UnknownName(kind, name, table)


def resolve(kind: str, table: Mapping[str, str], name: str) -> Any:
    """The object behind `name` in `table`; raises UnknownName with the closest match."""
    check_name(kind, table, name)
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def construct(kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any], /, **given: Any) -> Any:
    """Call the factory behind `name` with the user's `options` and what the caller gives.

    Every factory takes keyword arguments. `given` holds what the pipeline offers (journal, languages, ...): a factory
    receives only those it names. An option the factory does not name raises UnknownName.
    """
    factory = resolve(kind, table, name)
    parameters = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            raise UnknownName(f"option of {kind} {name!r}:", option, set(parameters) - set(given))
    offered = {key: value for key, value in given.items() if key in parameters and key not in options}
    missing = [
        p.name for p in parameters.values()
        if p.default is p.empty and p.kind is p.KEYWORD_ONLY and p.name not in options and p.name not in offered
    ]  # fmt: skip
    if missing:
        raise ConfigError(f"{kind.capitalize()} {name!r} needs {', '.join(missing)}.")
    return factory(**offered, **options)


def check_installed(module: str, *, package: str, purpose: str, extra: str) -> None:
    """Raise MissingPackage where a package that will be needed later is not there; imports nothing."""
    if find_spec(module) is None:
        raise MissingPackage(package, purpose, extra)


def require(module: str, *, package: str, purpose: str, extra: str) -> Any:
    """Import an optional package, or say in one sentence how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".")[0] == error.name.split(".")[0]:
            raise MissingPackage(package, purpose, extra) from error
        raise
