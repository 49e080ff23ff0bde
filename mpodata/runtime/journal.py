"""What was computed or paid for once, kept by content: kill the process anywhere and nothing is done twice.

A journal is one SQLite file, shared by all builds of a user (`$MPODATA_CACHE`, default `~/.cache/mpodata`). A result is
found by the hash of what it depends on: the task's name, its specification (model, revision, decoding, ...) and input.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

Input = TypeVar("Input", bound=Hashable)

PATIENCE = 60.0  # seconds to wait for another process's lock
LOOKUP_KEYS = 500  # keys per SELECT, below SQLite's limit on variables


def cache_folder() -> Path:
    """Where journals, converted models and downloads are kept: `$MPODATA_CACHE`, else `~/.cache/mpodata`."""
    return Path(os.environ.get("MPODATA_CACHE") or Path.home() / ".cache" / "mpodata")


def result_key(task: str, spec: Mapping[str, Any], value: Any) -> bytes:
    """The 16-byte content address of one result."""
    return _key(_prefix(task, spec), value)


def _prefix(task: str, spec: Mapping[str, Any]) -> bytes:
    return json.dumps([task, spec], sort_keys=True, ensure_ascii=True).encode()


def _key(prefix: bytes, value: Any) -> bytes:
    return hashlib.blake2b(
        prefix + json.dumps(value, sort_keys=True, ensure_ascii=True).encode(), digest_size=16
    ).digest()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite itself does not wait here for others that open the same new file."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class Journal:
    """A content-addressed store of JSON results. Several processes may use one file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.hits = 0  # results found in the journal by this object
        self.misses = 0  # results computed through this object
        self.after_block: Callable[[], None] = lambda: None  # called when a block is safe: where Ctrl-C may stop
        self._connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        _write_ahead(self._connection)
        # NORMAL is safe against kill -9; a power cut may lose the last block.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def lookup(self, keys: Iterable[bytes]) -> dict[bytes, Any]:
        """The known results among `keys`."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, Any] = {}
        for start in range(0, len(wanted), LOOKUP_KEYS):
            part = wanted[start : start + LOOKUP_KEYS]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT key, value FROM results WHERE key IN ({marks})", part)
            found.update((key, json.loads(value)) for key, value in rows)
        return found

    def record(self, results: Mapping[bytes, Any]) -> None:
        """Keep `results` in one transaction: after a kill either all of them are there or none."""
        rows = [(key, json.dumps(value, ensure_ascii=True)) for key, value in results.items()]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def known(self, task: str, spec: Mapping[str, Any], inputs: Sequence[Any]) -> int:
        """How many of `inputs` need no work: what `mpodata plan` shows as cached."""
        prefix = _prefix(task, spec)
        keys = [_key(prefix, value) for value in inputs]
        found = self.lookup(keys)
        return sum(key in found for key in keys)

    def through(
        self,
        task: str,
        spec: Mapping[str, Any],
        inputs: Sequence[Input],
        compute: Callable[[list[Input]], Sequence[Any]],
        *,
        block: int = 1024,
        keep: Callable[[Any], bool] = lambda _: True,
        done: Callable[[int], None] = lambda _: None,
    ) -> list[Any]:
        """One JSON result per input, in order; only inputs never seen under (task, spec) are computed, each once.

        `compute` maps a list of distinct inputs (JSON-able, hashable) to as many JSON-able results. Every `block`
        computed results are recorded at once. `keep` says which results are final (a service that was down is asked
        again by the next run). `done` is told how many inputs were finished, for progress bars.
        """
        prefix = _prefix(task, spec)
        keys = [_key(prefix, value) for value in inputs]
        results = self.lookup(keys)
        self.hits += sum(key in results for key in keys)
        missing = list({key: value for key, value in zip(keys, inputs, strict=True) if key not in results}.items())
        done(len(keys) - len(missing))
        for start in range(0, len(missing), block):
            part = missing[start : start + block]
            values = compute([value for _, value in part])
            fresh = {key: result for (key, _), result in zip(part, values, strict=True)}
            self.record({key: result for key, result in fresh.items() if keep(result)})
            self.misses += len(fresh)
            results.update(fresh)
            done(len(part))
            self.after_block()
        return [results[key] for key in keys]
