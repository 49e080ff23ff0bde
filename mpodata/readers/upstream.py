"""One upstream dataset, wherever it is: a local file (`formats.py`) or a dataset on the Hub (`hub.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.hub import is_hub_id
from mpodata.readers.files import LocalFile
from mpodata.readers.formats import RawRow, file_rows, format_of
from mpodata.readers.hub import hub_revision, hub_rows
from mpodata.records import Dropped

__all__ = ["RawRow", "Upstream"]


@dataclass(frozen=True)
class Upstream:
    """One upstream dataset: where it is and how to read it."""

    path: str  # a local file, or a Hub dataset id "user/name"
    split: str | None = None  # Hub only; default "train"
    config: str | None = None  # Hub only
    revision: str | None = None  # Hub only: branch, tag or commit; what it resolved to is recorded
    # Of local text files; default: byte-order mark, UTF-8, else told from the bytes and recorded.
    encoding: str | None = None
    header: bool = True  # False: a CSV, TSV or workbook without a line of names; its columns are "0", "1", ...

    def rows(self) -> Iterator[RawRow | Dropped]:
        """Every row in upstream order; one that cannot be read is a Dropped in its place."""
        if self.is_hub:
            return hub_rows(self.path, self.split or "train", self.config, self._commit)
        if Path(self.path).stat().st_size == 0:
            raise DataError(f"{self.path} is empty.")
        format_of(self._file)
        return file_rows(self._file)

    @cached_property
    def is_hub(self) -> bool:
        path = Path(self.path)
        if path.is_file():
            for name, value in (("split", self.split), ("config", self.config), ("revision", self.revision)):
                if value is not None:
                    raise DataError(f"{name}={value!r} is for Hub datasets; {self.path} is a local file. Leave it out.")
            return False
        if path.is_dir():
            names = sorted(p.name for p in path.iterdir() if p.is_file())[:8]
            raise DataError(f"{self.path} is a folder: name one file in it ({', '.join(names) or 'it has none'}).")
        if is_hub_id(self.path):
            return True
        raise DataError(f"{self.path} is neither a file nor a Hub dataset id (user/name). Check the path.")

    @cached_property
    def columns(self) -> list[str]:
        """The columns of all rows, in order of appearance; raises DataError for a file without readable rows."""
        if self.is_hub:
            columns = _columns(self.rows(), same_in_every_row=True)
        else:
            state = Path(self.path).stat()
            columns = _file_columns(self._file, (state.st_size, state.st_mtime_ns))
        if not columns:
            raise DataError(f"{self.path} has no readable rows.")
        return list(columns)

    def provenance(self) -> dict[str, Any]:
        """Where the rows came from, exactly: the sha256 of a file, the commit of a Hub dataset."""
        if self.is_hub:
            return {"id": self.path, "split": self.split or "train", "config": self.config, "revision": self._commit}
        recorded = {"path": Path(self.path).name, "sha256": self._file.sha256}
        return {**recorded, "encoding": self._file.encoding} if format_of(self._file).is_text else recorded

    @cached_property
    def _commit(self) -> str:
        return hub_revision(self.path, self.revision)

    @cached_property
    def _file(self) -> LocalFile:
        return LocalFile(self.path, self.encoding, self.header)


@lru_cache(maxsize=32)
def _file_columns(file: LocalFile, _state: tuple[int, int]) -> tuple[str, ...]:
    """The columns of a local file, read once while its state (bytes, time of change in ns) stays the same."""
    upstream = Upstream(file.path, encoding=file.given_encoding, header=file.header)
    return _columns(upstream.rows(), format_of(file).has_header)


def _columns(rows: Iterator[RawRow | Dropped], same_in_every_row: bool) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    for row in rows:
        if not isinstance(row, Dropped):
            columns.update(dict.fromkeys(row))
            if same_in_every_row:
                break
    return tuple(columns)
