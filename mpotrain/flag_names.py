"""The names of `mpotrain train`'s flags, read off source files: a mistyped one is refused before torch is imported.

Importing torch and transformers takes seconds, and parsing the flags needs both: transformers' TrainingArguments and
TRL's ModelConfig are two of the classes that declare them. Values are checked later, by `mpotrain.config`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mpodata.errors import ConfigError

# What the documentation says -> what TRL says, or what this project says.
RENAMED: Final = {"model": "model_name_or_path", "out": "output_dir", "rows_per_language": "pairs_per_language"}

HERE: Final = Path(__file__).parent
OWN: Final = ("config/*_options.py", "objective/*.py")  # what declares this project's flags, and the losses' own
LIBRARIES: Final = {"transformers": "training_args.py", "trl": "trainer/model_config.py"}
_FIELD: Final = re.compile(r"^    (\w+): ", re.MULTILINE)  # of a dataclass
_KEYWORD: Final = re.compile(r"\b(\w+): \w+(?: \| \w+)* = ")  # of a loss: its hyper-parameters


def check_flag_names(arguments: Sequence[str]) -> None:
    """Raises ConfigError, with the closest match, for a flag that no class declares; imports none of them."""
    names = flag_names()
    for argument in arguments if names else ():
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag[2:].replace("-", "_").removeprefix("no_") not in names:
            raise unknown_flag(f"flag {flag}", flag, [f"--{name}" for name in names])


def unknown_flag(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a `name` that is not among the `known` ones; `what` says what it was meant to be."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]}?" if close else ""
    return ConfigError(f"Unknown {what}.{hint} `mpotrain train --help-all` lists every flag.")


@cache
def flag_names() -> frozenset[str]:
    """Every name that can be a flag, underscores between its words; empty where a library's file is not found."""
    paths = list(_library_files())
    if len(paths) < len(LIBRARIES):
        return frozenset()
    names = {"config", "help", *RENAMED}
    for path in (*(path for pattern in OWN for path in HERE.glob(pattern)), *paths):
        source = path.read_text(encoding="utf-8")
        names.update(_FIELD.findall(source), _KEYWORD.findall(source))
    return frozenset(names)


def _library_files() -> Iterator[Path]:
    for package, file in LIBRARIES.items():
        found = find_spec(package)  # of a package at the top: imports nothing
        for folder in found.submodule_search_locations or () if found else ():
            if (path := Path(folder) / file).is_file():
                yield path
