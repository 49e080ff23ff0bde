"""Arrays that take long to unpack, kept as they lie in memory in the user's cache folder.

They are mapped into memory from there, so that a start takes milliseconds and processes beside each other share them.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mpodata.about import cache_folder

FOLDER: Final = "unpacked"  # of the cache folder

Arrays = Mapping[str, NDArray[Any]]


def unpacked(name: str, unpack: Callable[[], Arrays]) -> Arrays:
    """The arrays of `unpack`, read-only; `name` must name their contents, and change where those do.

    A folder that is not whole is made anew. Where the cache folder cannot be written, they are unpacked every time.
    """
    folder = cache_folder() / FOLDER / name
    try:
        return {path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in _files(folder)}
    except (OSError, ValueError, EOFError):  # not there yet, or cut off by a full disk
        arrays = unpack()
    with suppress(OSError):  # a read-only home or a full disk costs time, and nothing else
        _keep(folder, arrays)
    return arrays


def _files(folder: Path) -> list[Path]:
    """The arrays' files, as the list that is written last names them."""
    return [folder / f"{name}.npy" for name in (folder / "names").read_text(encoding="utf-8").split()]


def _keep(folder: Path, arrays: Arrays) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    try:
        for name, array in arrays.items():
            np.save(making / f"{name}.npy", array, allow_pickle=False)
        (making / "names").write_text("\n".join(arrays), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(making, folder)  # whole or not at all; fails where another process was faster, which kept the same
    finally:
        shutil.rmtree(making, ignore_errors=True)
