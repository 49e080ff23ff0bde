"""What a run's folder says about itself: `run.json`, written last, and `metrics.jsonl`, one line per logged step.

And how one of our commands is run in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.runtime.children import run_bound
from mpodata.runtime.whole_files import write_text

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"


def is_finished(folder: str | Path) -> bool:
    """Whether `folder` holds a finished run."""
    return (Path(folder) / RUN_FILE).is_file()


def read_run(folder: str | Path) -> dict[str, Any]:
    """The run.json of a finished run; raises DataError where there is none or it cannot be read."""
    if not is_finished(folder):
        raise DataError(f"{folder} is not a finished training run: it holds no {RUN_FILE}.")
    return read_json(Path(folder) / RUN_FILE)


def base_of(folder: str) -> str | None:
    """The model that a run started from; None where `folder` is no run."""
    return str(read_run(folder)["base_model"]) if is_finished(folder) else None


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; those that a killed process left unfinished are passed over."""
    path = Path(folder) / METRICS_FILE
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def read_json(path: Path, *, finite: bool = False) -> dict[str, Any]:
    """A JSON file that holds an object; raises DataError where it does not. finite: NaN and Infinity are refused."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number if finite else None)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}).") from error
    if not isinstance(record, dict):
        raise DataError(f"{path} must hold a JSON object.")
    return record


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def in_process_of_its_own(command: Sequence[str], log: Path) -> int:
    """Run `mpodata ...` or `mpotrain ...`, which ends with this process, kill -9 included; what it prints is logged."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        line = [sys.executable, "-m", f"{command[0]}.cli", *command[1:]]
        return run_bound(line, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def last_line(log: Path) -> str:
    """The last thing that a command said, and where the rest is."""
    if not log.is_file():
        return "nothing was printed"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"{lines[-1][:300]} ({log})" if lines else f"nothing was printed ({log})"
