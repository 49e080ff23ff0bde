"""The folder beside a version in the making: scratch files, and the rows that did not make it with their reasons."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mpodata.errors import DataError
from mpodata.pipeline.results import Kept, Lost
from mpodata.pipeline.scratch import KeptFile
from mpodata.records import Dropped, Pair, SourceRow
from mpodata.runtime.files import aside_path, is_own_folder, made_aside, sweep


class Workspace:
    """`OUT.work`: scratch files while a build runs, `drops.jsonl` when it has ended."""

    final = True  # False: a round on the way to the version, which may come out empty

    def __init__(self, out: Path) -> None:
        self.folder = out.parent / f"{out.name}.work"
        self.scratch = aside_path(self.folder / "scratch", "rows")  # a name that nobody can plant a link under
        self.drops = self.folder / "drops.jsonl"
        self.dropped: dict[str, dict[str, int]] = {}  # config or "source" -> reason -> rows
        self.flagged: dict[str, dict[str, int]] = {}  # config -> failed check -> rows kept all the same
        self._lost: Any = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not is_own_folder(self.folder):
            raise DataError(f"{self.folder} is a link or belongs to somebody else. Remove it, or choose another --out.")
        sweep(made_aside(self.folder / "scratch", "rows"))  # of runs that were killed; the version's lock is held
        self.scratch.mkdir()
        self._lost = (self.scratch / "drops.jsonl").open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises OSError naming the folder for one that names no file, as of a disk that fills up while rows go by."""
        try:
            self._lost.close()
        except OSError as error:
            if value is None:
                raise OSError(error.errno, error.strerror, str(self.drops)) from error
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        if isinstance(value, OSError) and value.filename is None and value.errno is not None:
            raise OSError(value.errno, value.strerror, str(self.folder)) from value

    def keep_drops(self) -> None:
        """Give the list of drops its final name."""
        self._lost.close()
        (self.scratch / "drops.jsonl").replace(self.drops)

    def lose(self, lost: Lost) -> None:
        _count(self.dropped, lost.stage, lost.reason)
        self._lost.write(json.dumps(asdict(lost), ensure_ascii=False) + "\n")

    def taken(self, rows: Iterable[SourceRow | Dropped]) -> Iterator[SourceRow]:
        """The usable ones of a source's rows; the others are counted."""
        for row in rows:
            if isinstance(row, Dropped):
                self.lose(Lost("source", "", "", row.reason, row.detail))
            else:
                yield row

    def paired(self, pairs: Iterable[Pair | Dropped]) -> Iterator[Pair]:
        """The usable ones of a source's pairs; the others are counted."""
        for pair in pairs:
            if isinstance(pair, Dropped):
                self.lose(Lost("source", "", "", pair.reason, pair.detail))
            else:
                yield pair

    def file(self, config: str, results: Iterable[Sequence[Kept | Lost]]) -> KeptFile:
        """The kept rows of one config on disk; the lost ones are counted."""
        file = KeptFile(self.scratch / f"{config}.jsonl")
        with closing(file):
            for result in chain.from_iterable(results):
                if isinstance(result, Lost):
                    self.lose(result)
                    continue
                if result.flagged:
                    _count(self.flagged, config, result.flagged)
                file.write(result)
        return file

    def reasons(self) -> str:
        """Every reason so far with its count, for a sentence."""
        total: Counter[str] = Counter()
        for counts in self.dropped.values():
            total.update(counts)
        return ", ".join(f"{count} {reason}" for reason, count in total.most_common()) or "the source has no rows"


def _count(table: dict[str, dict[str, int]], place: str, reason: str) -> None:
    counts = table.setdefault(place, {})
    counts[reason] = counts.get(reason, 0) + 1
