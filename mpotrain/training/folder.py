"""The folder of a run: bound to one configuration and data commit, and to one process at a time.

What happens in which order: `locked` keeps other processes out; `claim` compares the configuration with the one the
folder is bound to, and says whether the run is done, goes on from a checkpoint or begins; `bind` writes the
configuration down when training begins.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError
from mpotrain.runs import is_finished, read_json, read_run, write_json
from mpotrain.training import checkpoints
from mpotrain.training.configuration import differences, of_finished_run

CONFIGURATION = "configuration.json"
LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Claim:
    """What there is to do in a run's folder."""

    finished: dict[str, Any] | None = None  # run.json: nothing is left to do
    checkpoint: str | None = None  # where training goes on


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of `folder`; raises ConfigError where one is in, or the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise ConfigError(
            f"--output_dir {folder} cannot be written: {error.strerror}. Choose a folder of your own."
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigError(f"Another process is training in {folder}: wait for it, or choose another folder.") from error
    try:
        yield
    finally:
        os.close(handle)


def claim(folder: Path, configuration: Mapping[str, Any], asked: str | None = None) -> Claim:
    """What is left to do for `configuration` in `folder`; `asked` is --resume_from_checkpoint.

    Raises ConfigError where the folder holds another run, something that is no run, or no whole checkpoint to go on
    from where one was asked for.
    """
    bound = _bound_to(folder)
    if bound is not None:
        _check_same(folder, bound, configuration)
    if is_finished(folder):
        return Claim(finished=read_run(folder))
    if asked not in (None, "last"):
        return Claim(checkpoint=_asked_for(Path(str(asked)), configuration))
    if bound is None:
        _check_free(folder, asked)
    newest = checkpoints.newest_complete(folder, marked=bound is not None)
    return Claim(checkpoint=None if newest is None else str(newest))


def bind(folder: Path, configuration: Mapping[str, Any], checkpoint: str | None) -> None:
    """Write down what the folder is bound to, and clear what a killed process left half written.

    A checkpoint from before checkpoints were marked is marked where training goes on from it.
    """
    if not (folder / CONFIGURATION).is_file():
        if checkpoint is not None and Path(checkpoint).parent.resolve() == folder.resolve():
            checkpoints.mark_complete(Path(checkpoint))
        write_json(folder / CONFIGURATION, configuration)
    for path in checkpoints.checkpoints(folder):
        if str(path) != checkpoint and not checkpoints.is_complete(path):
            checkpoints.remove(path)


def _bound_to(folder: Path) -> dict[str, Any] | None:
    """The configuration that `folder` is bound to, as far as it is known; None where there is none."""
    if (folder / CONFIGURATION).is_file():
        return read_json(folder / CONFIGURATION)
    return of_finished_run(read_run(folder)) if is_finished(folder) else None


def _check_same(folder: Path, bound: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
    if different := differences(bound, configuration):
        raise ConfigError(
            f"{folder} holds a run with {'; '.join(different)}. Repeat that run's command to continue it, or choose "
            "another --output_dir."
        )


def _check_free(folder: Path, asked: str | None) -> None:
    """Refuse a folder that holds something else; an earlier release's checkpoints are used where asked for."""
    if checkpoints.checkpoints(folder):
        if asked is None:
            raise ConfigError(
                f"{folder} holds checkpoints of a run that does not say how it was configured: add "
                "--resume_from_checkpoint last to go on with it, or choose another --output_dir."
            )
        return
    model = next((name for name in ("config.json", "adapter_config.json") if (folder / name).is_file()), None)
    if model is not None:
        raise ConfigError(f"{folder} holds a model ({model}) that is no run's: choose another --output_dir.")


def _asked_for(checkpoint: Path, configuration: Mapping[str, Any]) -> str:
    if not checkpoint.is_dir():
        raise ConfigError(f"There is no checkpoint {checkpoint}. `--resume_from_checkpoint last` takes the newest.")
    bound = _bound_to(checkpoint.parent)
    whole = checkpoints.is_complete(checkpoint) if bound is not None else checkpoints.looks_complete(checkpoint)
    if not whole:
        raise ConfigError(
            f"{checkpoint} is not a whole checkpoint: a file of it is missing, changed or half written. "
            "`--resume_from_checkpoint last` takes the newest whole one."
        )
    if bound is not None:
        _check_same(checkpoint.parent, bound, configuration)
    return str(checkpoint)
