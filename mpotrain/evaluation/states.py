"""Last-layer states of responses on disk, between the evaluation that measures them and the report that draws them."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpodata.errors import DataError
from mpodata.runtime.whole_files import whole_file

States = dict[str, NDArray[np.float32]]  # "sw/safe", "sw/unsafe" -> (n, d)


def write_states(path: Path, states: States) -> None:
    """Keep states for the report, in half precision: pictures need no more."""
    halves: dict[str, Any] = {name.replace("/", "."): array.astype(np.float16) for name, array in states.items()}
    with whole_file(path) as file:
        np.savez_compressed(file, **halves)


def read_states(path: Path) -> States:
    """The states that `write_states` kept; none where there is no file. Raises DataError for a damaged one."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return {name.replace(".", "/"): arrays[name].astype(np.float32) for name in arrays.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}). Evaluate again.") from error
