"""What was computed or paid for once, kept by content: kill the process anywhere and nothing is done twice.

A journal is one SQLite file, shared by all builds of a user (`$MPODATA_CACHE`, default `~/.cache/mpodata`). A result is
found by the hash of what it depends on: the task's name, its specification (model, revision, decoding, ...) and input.
It holds harmful text, so only its owner may read it. Every value stands beside its checksum: one that was damaged is
computed again. Values written before there were checksums are read as they are.
"""

import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from mpodata.about import cache_folder
from mpodata.errors import MpoError

LOG: Final = logging.getLogger(__name__)
Input = TypeVar("Input", bound=Hashable)

IN_MEMORY: Final = ":memory:"  # the path of a journal that is gone with its object
PATIENCE = 60.0  # seconds to wait for another process's lock
FIRST_BLOCK = 16  # inputs computed at once before it is known how long one takes
LEAST_BLOCK = 8  # and however long they take: batches of fewer waste a device
BLOCK_SECONDS = 60.0  # of work between two records: what a forced stop loses
LOOKUP_KEYS = 500  # keys per SELECT, below SQLite's limit on variables


def result_key(task: str, spec: Mapping[str, Any], value: Any) -> bytes:
    """The 16-byte content address of one result."""
    return _key(_prefix(task, spec), value)


def _prefix(task: str, spec: Mapping[str, Any]) -> bytes:
    return json.dumps([task, spec], sort_keys=True, ensure_ascii=True).encode()


def _key(prefix: bytes, value: Any) -> bytes:
    return hashlib.blake2b(
        prefix + json.dumps(value, sort_keys=True, ensure_ascii=True).encode(), digest_size=16
    ).digest()


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=8).digest()


def _make_private(path: Path) -> None:
    """Make the journal's file and folder where they are missing, for their owner alone; tighten those that exist."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = {*missing, cache_folder()} if path.parent in (cache_folder(), *missing) else set(missing)
    for folder in ours:
        _restrict(folder, 0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for suffix in ("", "-wal", "-shm"):
        _restrict(Path(f"{path}{suffix}"), 0o600)


def _restrict(path: Path, mode: int) -> None:
    """Take the rights of others away, where the path is there and this user's."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        path.chmod(mode)


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


def _value(key: bytes, value: object, checksum: object) -> Any:
    """The result behind a row; raises ValueError where it is not what was written."""
    if not isinstance(value, bytes) or (checksum is not None and checksum != _checksum(key, value)):
        raise ValueError("damaged")
    try:
        return json.loads(value)
    except RecursionError as error:
        raise ValueError("damaged") from error


# SQLite's primary error codes that a user can mend, and how.
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "The disk is full: free some space",
    sqlite3.SQLITE_READONLY: "It cannot be written: name another place with --journal or $MPODATA_CACHE",
    sqlite3.SQLITE_PERM: "It cannot be opened: name another place with --journal or $MPODATA_CACHE",
    sqlite3.SQLITE_CANTOPEN: "It cannot be opened: name another place with --journal or $MPODATA_CACHE",
    sqlite3.SQLITE_BUSY: "Another process holds it: wait for that one",
    sqlite3.SQLITE_LOCKED: "Another process holds it: wait for that one",
    sqlite3.SQLITE_IOERR: "The disk fails: check it, or name another place with --journal or $MPODATA_CACHE",
}


def _sentence(path: Path, error: sqlite3.Error) -> str:
    """What happened to the journal, and what to do."""
    remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if remedy is None:
        remedy = "It is damaged: move it away with its -wal and -shm files; what it held is computed again"
    return f"The journal {path} failed ({error}). {remedy}. Then run the same command again."


class Journal:
    """A content-addressed store of JSON results. Several processes may use one file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.hits = 0  # results found in the journal by this object
        self.misses = 0  # results computed through this object
        self.damaged = 0  # results found that were not what was written: taken as misses
        self._pace: dict[bytes, float] = {}  # task and specification -> seconds an input took in the last block
        self.after_block: Callable[[], None] = lambda: None  # called when a block is safe: where Ctrl-C may stop
        try:
            if str(path) != IN_MEMORY:
                _make_private(self.path)
        except OSError as error:
            raise MpoError(
                f"The journal {self.path} cannot be opened: {error.strerror}. Name another place with --journal or "
                "$MPODATA_CACHE."
            ) from error
        self._connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        _write_ahead(self._connection)
        # NORMAL is safe against kill -9; a power cut may lose the last block.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS results "
            "(key BLOB PRIMARY KEY, value TEXT NOT NULL, checksum BLOB) WITHOUT ROWID"
        )
        if "checksum" not in self._columns():  # a journal of an earlier mpodata
            try:
                self._connection.execute("ALTER TABLE results ADD COLUMN checksum BLOB")
            except sqlite3.OperationalError:  # another process was faster
                if "checksum" not in self._columns():
                    raise

    def _columns(self) -> list[str]:
        return [row[1] for row in self._connection.execute("PRAGMA table_info(results)")]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a failing file means; raises MpoError."""
        try:
            yield
        except sqlite3.Error as error:
            raise MpoError(_sentence(self.path, error)) from error

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
        results: dict[bytes, Any] = {}
        damaged = 0
        for start in range(0, len(wanted), LOOKUP_KEYS):
            part = wanted[start : start + LOOKUP_KEYS]
            marks = ",".join("?" * len(part))
            select = f"SELECT key, CAST(value AS BLOB), checksum FROM results WHERE key IN ({marks})"
            with self._explained():
                rows = self._connection.execute(select, part).fetchall()
            for key, value, checksum in rows:
                try:
                    results[key] = _value(key, value, checksum)
                except ValueError:
                    damaged += 1
        if damaged:
            self.damaged += damaged
            LOG.warning("%d results in the journal %s were damaged: they are computed again.", damaged, self.path)
        return results

    def record(self, results: Mapping[bytes, Any]) -> None:
        """Keep `results` in one transaction: after a kill either all of them are there or none."""
        texts = {key: json.dumps(value, ensure_ascii=True) for key, value in results.items()}
        rows = [(key, text, _checksum(key, text.encode())) for key, text in texts.items()]
        insert = "INSERT OR REPLACE INTO results (key, value, checksum) VALUES (?, ?, ?)"
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(insert, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def known(self, task: str, spec: Mapping[str, Any], inputs: Sequence[Any]) -> int:
        """How many of `inputs` need no work: what `mpodata plan` shows as cached."""
        prefix = _prefix(task, spec)
        keys = [_key(prefix, value) for value in inputs]
        recorded = self.lookup(keys)
        return sum(key in recorded for key in keys)

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

        `compute` maps a list of distinct inputs (JSON-able, hashable) to as many JSON-able results. They are recorded
        in blocks of at most `block`, smaller where the work is slow: a block is to take a minute. `keep` says which
        results are final (a service that was down is asked again by the next run). `done` is told how many inputs were
        finished, for progress bars.
        """
        prefix = _prefix(task, spec)
        keys = [_key(prefix, value) for value in inputs]
        results = self.lookup(keys)
        self.hits += sum(key in results for key in keys)
        missing = list({key: value for key, value in zip(keys, inputs, strict=True) if key not in results}.items())
        done(len(keys) - len(missing))
        start = 0
        while start < len(missing):
            part = missing[start : start + self._block_size(prefix, block)]
            start += len(part)
            began = time.monotonic()
            values = compute([value for _, value in part])
            self._pace[prefix] = (time.monotonic() - began) / len(part)
            fresh = {key: result for (key, _), result in zip(part, values, strict=True)}
            self.record({key: result for key, result in fresh.items() if keep(result)})
            self.misses += len(fresh)
            results.update(fresh)
            done(len(part))
            self.after_block()
        if not missing:  # everything was recorded before: a run of these alone stops for Ctrl-C too
            self.after_block()
        return [results[key] for key in keys]

    def _block_size(self, prefix: bytes, most: int) -> int:
        """Inputs of the next block: what a minute is enough for at the last block's pace; few before one was seen."""
        pace = self._pace.get(prefix)
        if pace is None:
            return min(most, FIRST_BLOCK)
        return most if pace * most <= BLOCK_SECONDS else min(most, max(LEAST_BLOCK, int(BLOCK_SECONDS / pace)))
