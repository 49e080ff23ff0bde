"""Values of command-line flags: argparse types that refuse what cannot be in a few words.

A command names one as `type=`; the command line puts the flag's name before the words and `--help` behind them.
"""

import argparse
import math
import re
import shlex
from collections.abc import Callable, Collection, Iterable
from typing import Any

from mpodata.errors import ConfigError, UnknownName
from mpodata.languages import code_of
from mpodata.runtime.yaml_text import parse_yaml


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A whole number of at least `low`, and at most `high`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(
                f"must be at least {low}, got {value}" if high is None else f"must be {low} to {high}, got {value}"
            )
        return value

    return read


def number(low: float, high: float | None = None, *, above: bool = False) -> Callable[[str], float]:
    """A finite number of at least `low`, or greater than it where `above`, and at most `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
        if high is not None and not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be between {low:g} and {high:g}, got {text}")
        if not math.isfinite(value) or value < low or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be {'greater than' if above else 'at least'} {low:g}, got {text}")
        return value

    return read


def listed(text: str) -> str:
    """A comma-separated list with at least one entry, as it was written."""
    if not parts(text):
        raise argparse.ArgumentTypeError("names nothing: leave the flag out, or write one or more, separated by commas")
    return text


def language_code(text: str) -> str:
    """A language by its code or its English name, as its code; raises UnknownName."""
    return code_of(named(text))


def language_codes(text: str) -> str:
    """A comma-separated list of languages with at least one, by code or English name, as codes; raises UnknownName.

    A list of codes alone comes back as it was written: what was made before is bound to it.
    """
    return replaced_parts(text, code_of)


def replaced_parts(text: str, replace: Callable[[str], str]) -> str:
    """A comma-separated list with at least one entry, each replaced; as it was written where none changes."""
    entries = parts(listed(text))
    replaced = [replace(entry) for entry in entries]
    return text if replaced == entries else ",".join(replaced)


def language_codes_or_none(text: str) -> str:
    """As language_codes, or the empty text where none is wanted."""
    return text and language_codes(text)


def named(text: str) -> str:
    """A text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty: leave the flag out, or give it a value")
    return text


def words(text: str) -> str:
    """Further flags in one argument, as a shell would split them."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be flags as a shell reads them, got {text!r} ({error})") from None
    return text


def setting(text: str) -> str:
    """PART.OPTION=VALUE, the value in YAML."""
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise argparse.ArgumentTypeError(f"must look like PART.OPTION=VALUE, got {text!r}")
    try:
        parse_yaml(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must hold valid YAML behind {name}= ({error})") from None
    return text


def by_part(settings: Iterable[str], names: Collection[str]) -> dict[str, dict[str, Any]]:
    """PART.OPTION=VALUE entries (see `setting`) as part -> option -> value; PART.options.OPTION is read as well.

    Every one of `names` is in the result. Raises UnknownName for a part that is none of them.
    """
    options: dict[str, dict[str, Any]] = {name: {} for name in names}
    for text in settings:
        name, _, value = text.partition("=")
        part, _, option = name.replace(".options.", ".", 1).rpartition(".")
        if part not in options:
            raise UnknownName("part of --set:", part, names)
        options[part][option] = parse_yaml(value)
    return options


def places(entries: Iterable[str], example: str) -> dict[str, str]:
    """NAME=PATH entries of `--data`; raises ConfigError for one that is none. example: one that is."""
    found = {}
    for entry in entries:
        name, equals, place = entry.partition("=")
        if not equals or not place:
            raise ConfigError(f"--data takes NAME=PATH, got {entry!r}. Example: --data {example}")
        found[name] = place
    return found


def parts(text: str) -> list[str]:
    """The entries of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


_ALIASES = re.compile(r"^(?:argument )?(-[\w-]+)(?:/-[\w-]+)*: ")  # "argument --a_b/--a-b: ..."
_NUMBERS = {"int": "a whole number", "float": "a number"}


def sentence_of(message: str) -> str:
    """argparse's message as a sentence about the flag as it is written: "--seed must be a whole number, got 'x'"."""
    named = _ALIASES.sub(r"\1: ", message).removeprefix("argument ")
    named = re.sub(
        r"^(\S+): invalid (int|float) value: ", lambda match: f"{match[1]} must be {_NUMBERS[match[2]]}, got ", named
    )
    # "--limit: must be ..." of a value's type above reads as a sentence without the colon.
    return re.sub(r"^(\S+): (must|names|is) ", r"\1 \2 ", named)
