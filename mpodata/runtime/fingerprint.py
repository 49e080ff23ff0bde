"""Short hashes of what decides results: files, texts, and the constants of a module (patterns, word lists, limits).

A hash needs no bumping: whoever edits a table or a prompt gets other journal keys and another manifest.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

DIGITS: Final = 16  # hexadecimal, of a sha256


def text_hash(*texts: str) -> str:
    """16 hex digits that change when one of `texts` does."""
    return _short(json.dumps(texts, ensure_ascii=True).encode())


def file_hash(path: Path) -> str:
    """16 hex digits of a file's bytes, line ends aside: a checkout on Windows holds the same tables."""
    return _short(path.read_bytes().replace(b"\r\n", b"\n"))


@cache
def constants_hash(*modules: str) -> str:
    """16 hex digits of the plain upper-case constants of some modules.

    Code, paths and objects are left out: a refactoring changes nothing, another pattern, word list or limit does.
    """
    by_module = {name: _constants(vars(import_module(name))) for name in modules}
    return _short(json.dumps(by_module, sort_keys=True, ensure_ascii=True).encode())


def _constants(names: Mapping[str, Any]) -> dict[str, Any]:
    constants = {}
    for name, value in names.items():
        if name.strip("_").isupper():
            try:
                constants[name] = _plain(value)
            except TypeError:
                continue
    return constants


def _plain(value: Any) -> Any:
    """`value` as JSON in a stable order; raises TypeError for what is no data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    if isinstance(value, Mapping) and not hasattr(value, "__missing__"):  # those fill up with what they are asked
        return sorted(([_plain(key), _plain(item)] for key, item in value.items()), key=json.dumps)
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain([getattr(value, field.name) for field in dataclasses.fields(value)])
    raise TypeError(f"{type(value).__name__} is no data")


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]
