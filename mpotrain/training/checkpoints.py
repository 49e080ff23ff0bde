"""Which checkpoints of a run are whole: marked when the last of their files is on disk, checked before use."""

import hashlib
import json
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.runtime.files import sync_folders
from mpotrain.runs import read_json, write_json

PREFIX = "checkpoint-"
MARK = "complete.json"  # written last: the checkpoint's files, their sizes and hashes
STATE = "trainer_state.json"
SAMPLES = 32  # places read of each file for its hash: a checkpoint of 100 GB is checked in seconds
SAMPLE_BYTES = 1 << 16


def mark_complete(checkpoint: Path, *, for_safety: bool = False) -> None:
    """Say that every file of `checkpoint` is written; waits until they are on disk.

    for_safety: it is only to survive a kill, and removed when the run is done.
    """
    sync_folders(checkpoint)
    files = {str(path.relative_to(checkpoint)): _fingerprint(path) for path in _files(checkpoint)}
    write_json(checkpoint / MARK, {"schema": 1, "for_safety": for_safety, "files": files})


def is_complete(checkpoint: Path) -> bool:
    """Whether every file that `mark_complete` saw is there, unchanged."""
    try:
        files = read_json(checkpoint / MARK)["files"]
        return all(_fingerprint(checkpoint / name) == fingerprint for name, fingerprint in files.items())
    except (DataError, KeyError, OSError, AttributeError):
        return False


def is_for_safety(checkpoint: Path) -> bool:
    """Whether it was written only to survive a kill."""
    return (checkpoint / MARK).is_file() and bool(read_json(checkpoint / MARK).get("for_safety"))


def newest_complete(folder: Path, *, marked: bool = True) -> Path | None:
    """The checkpoint of `folder` with the most steps that is whole; None where none is.

    marked: False for the folder of a run from before checkpoints were marked, whose files are looked at instead.
    """
    whole = is_complete if marked else looks_complete
    return next((path for path in reversed(checkpoints(folder)) if whole(path)), None)


def checkpoints(folder: Path) -> list[Path]:
    """Every checkpoint folder, by step, whole or not."""
    written = [path for path in folder.glob(f"{PREFIX}*") if path.is_dir() and step_of(path) is not None]
    return sorted(written, key=lambda path: step_of(path) or 0)


def step_of(checkpoint: Path) -> int | None:
    """The step a checkpoint was written after; None for a folder of another name."""
    digits = checkpoint.name.removeprefix(PREFIX)
    return int(digits) if digits.isdecimal() else None


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint, its mark first, so that what a kill leaves of it does not count."""
    (checkpoint / MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)


def rotate(folder: Path, limit: int | None, best: str | None = None) -> None:
    """Keep the newest `limit` checkpoints and the best one."""
    if limit is None or limit < 1:
        return
    for old in checkpoints(folder)[:-limit]:
        if best is None or old.resolve() != Path(best).resolve():
            remove(old)


def looks_complete(checkpoint: Path) -> bool:
    """Whether an unmarked checkpoint holds readable weights, optimizer, scheduler, random state and trainer state."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    archives = [*checkpoint.glob("*.pt"), *checkpoint.glob("*.pth")]
    weights = list(checkpoint.glob("*.safetensors"))
    shared_out = any(path.is_dir() for path in (*checkpoint.glob("global_step*"), *checkpoint.glob("*_fsdp*")))
    names = {path.name for path in archives}
    optimizer = shared_out or "optimizer.pt" in names or any(checkpoint.glob("optimizer*"))
    return bool(
        state.get("global_step") == step_of(checkpoint)
        and (shared_out or ("scheduler.pt" in names and bool(weights)))
        and optimizer
        and any(name.startswith("rng_state") for name in names)
        and all(zipfile.is_zipfile(path) for path in archives)
        and all(_is_safetensors(path) for path in weights)
    )


def _is_safetensors(path: Path) -> bool:
    """Whether a weight file is as long as its own header says."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            return False
        (length,) = struct.unpack("<Q", start)
        if length > path.stat().st_size:
            return False
        try:
            header: dict[str, Any] = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return bool(path.stat().st_size == 8 + length + max(ends, default=0))


def _files(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != MARK)


def _fingerprint(path: Path) -> list[Any]:
    """Size and a hash of samples: all of a file up to 2 MiB, 32 places of a larger one."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for offset in sorted({size * number // SAMPLES for number in range(SAMPLES)}):
            file.seek(offset)
            digest.update(file.read(SAMPLE_BYTES))
    return [size, digest.hexdigest()[:16]]
