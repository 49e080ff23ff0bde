"""The stages of a build on Ray: one machine or a cluster, the same journal, the same bytes.

Blocks of rows lie in a folder that every node sees (clusters have a shared file system). Ray Data hands block numbers
to actors; each holds its own engine or translator. One actor beside the driver keeps the journal, so that no SQLite
file is shared over a network. A worker that dies costs the block it had: Ray starts another and hands it out again.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mpodata import errors
from mpodata.errors import ConfigError, MpoError, RemoteError
from mpodata.pipeline.components import Components
from mpodata.pipeline.results import Kept, Lost
from mpodata.pipeline.scratch import blocks, line_of, result_of, source_line, source_row_of
from mpodata.pipeline.stages import choose, translate
from mpodata.recipe import Recipe
from mpodata.records import SourceRow
from mpodata.registry import require
from mpodata.runtime.journal import Journal

BLOCK = 128  # rows of one task: small, so that the last tasks end together
SMALLEST = 32  # rows: their sentences still fill a batch
SHARES = 8  # tasks of each worker where rows are few: the last ones cost it an eighth of the time at most


class RayRunner:
    """A `build.Runner` whose stages run in `workers` actors, each with `cpus` cores and `gpus` GPUs."""

    def __init__(
        self, recipe: Recipe, journal: Journal, scratch: Path, *, workers: int = 1, cpus: float = 1, gpus: float = 0
    ) -> None:
        self.ray = require("ray", package="ray", purpose="--scale ray", extra="ray")
        self.data = require("ray.data", package="ray", purpose="--scale ray", extra="ray")
        self.recipe, self.journal, self.scratch = recipe, journal, scratch.resolve()
        self.resources = {"concurrency": workers, "num_cpus": cpus, "num_gpus": gpus}
        self._carried: Iterator[list[Kept | Lost]] | None = None
        self._blocks = 0
        if not self.ray.is_initialized():
            try:
                self.ray.init(log_to_driver=False, logging_level=logging.ERROR)
            except ConnectionError as error:
                where = os.environ.get("RAY_ADDRESS", "this machine")
                raise RemoteError(
                    f"No Ray cluster answers at {where}: start it (ray start --head), or unset RAY_ADDRESS to build on "
                    "this machine."
                ) from error
        context = self.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        self.keeper = self.ray.remote(num_cpus=0)(JournalKeeper).remote(str(journal.path.resolve()))

    def choose(self, rows: Iterable[SourceRow]) -> Iterator[list[Kept | Lost]]:
        count = self._spread("source", (source_line(row) for row in rows), BLOCK)
        return self._run([("", number) for number in range(count)])

    def translate(self, rows: Iterable[Kept], language: str) -> Iterator[list[Kept | Lost]]:  # noqa: ARG002
        """All languages are one Ray job, so that each translator is loaded once: ask for them in the recipe's order."""
        if self._carried is None:
            whole = Components(self.recipe, self.journal).translator.needs_all_rows
            self._blocks = self._spread("kept", map(line_of, rows), sys.maxsize if whole else BLOCK)
            codes = self.recipe.languages
            self._carried = self._run([(code, number) for code in codes for number in range(self._blocks)])
        yield from islice(self._carried, self._blocks)

    def _spread(self, name: str, lines: Iterable[str], most: int) -> int:
        """Write `lines` as one file per block of at most `most` lines; returns how many blocks there are.

        Where they are few, blocks are smaller, so that every worker gets several.
        """
        folder = self.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        tasks = SHARES * int(self.resources["concurrency"])
        lines = iter(lines)
        first = list(islice(lines, BLOCK * tasks))
        size = most if most > BLOCK else min(BLOCK, max(SMALLEST, -(-len(first) // tasks)))
        count = 0
        for count, block in enumerate(blocks(chain(first, lines), size), 1):
            (folder / f"{count - 1}.jsonl").write_text("\n".join(block), encoding="ascii")
        return count

    def _run(self, tasks: list[tuple[str, int]]) -> Iterator[list[Kept | Lost]]:
        """The results of every task, in the order of the tasks."""
        given = [{"language": language, "block": block} for language, block in tasks]
        if not given:
            return
        dataset = self.data.from_items(given, override_num_blocks=len(given)).map_batches(
            Worker, fn_constructor_args=(self.recipe, self.keeper, str(self.scratch)), batch_size=1, **self.resources
        )
        lost = self.ray.exceptions
        try:
            for row in dataset.iter_rows():
                if row["error"]:
                    raise _told(str(row["error"]))
                yield [result_of(line) for line in str(row["results"]).split("\n")]
        except (lost.RayActorError, lost.WorkerCrashedError, lost.OutOfMemoryError, lost.NodeDiedError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise RemoteError(
                f"Ray lost a worker again and again ({reason[:200]}). Give each more memory (fewer --workers) and run "
                "the same command: it continues."
            ) from error


class Worker:
    """One actor: its own models, the common journal."""

    def __init__(self, recipe: Recipe, keeper: Any, scratch: str) -> None:
        _keep_to_own_cores()
        self.components = Components(recipe, SharedJournal(keeper))
        self.scratch = Path(scratch)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """The results of one task; what a user can mend is told in a row, which Ray would wrap in its tracebacks."""
        try:
            return {"results": [self._results(batch)], "error": [""]}
        except MpoError as error:
            return {"results": [""], "error": [f"{type(error).__name__}: {error}"]}

    def _results(self, batch: Mapping[str, Any]) -> str:
        language, block = str(batch["language"][0]), int(batch["block"][0])
        lines = (self.scratch / ("kept" if language else "source") / f"{block}.jsonl").read_text("ascii").split("\n")
        if language:
            kept = [result for result in map(result_of, lines) if isinstance(result, Kept)]
            results = translate(kept, language, self.components)
        else:
            results = choose([source_row_of(line) for line in lines], self.components)
        return "\n".join(map(line_of, results))


def _told(text: str) -> MpoError:
    """The error that a worker wrote down as "Class: sentence"."""
    name, _, sentence = text.partition(": ")
    kind = getattr(errors, name, MpoError)  # a store's own kinds are told as the base
    return ConfigError(sentence) if kind in (errors.UnknownName, errors.MissingPackage) else kind(sentence)


def _keep_to_own_cores() -> None:
    """Libraries loaded from here on use as many threads as Ray gave this worker cores, whatever the shell said.

    Ray sets OMP_NUM_THREADS only where it is not set. `translators.batches.cores` and torch read it; tokenizers reads
    RAYON_NUM_THREADS.
    """
    ray = require("ray", package="ray", purpose="--scale ray", extra="ray")
    given = float(ray.get_runtime_context().get_assigned_resources().get("CPU", 0))
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(max(1, int(given)))


class JournalKeeper:
    """The actor that holds the journal's file."""

    def __init__(self, path: str) -> None:
        self.journal = Journal(path)

    def lookup(self, keys: list[bytes]) -> dict[bytes, Any]:
        return self.journal.lookup(keys)

    def record(self, results: dict[bytes, Any]) -> None:
        self.journal.record(results)


class SharedJournal(Journal):
    """A journal whose file another actor keeps."""

    def __init__(self, keeper: Any) -> None:
        super().__init__(":memory:")
        self.ray = require("ray", package="ray", purpose="--scale ray", extra="ray")
        self.keeper = keeper

    def lookup(self, keys: Iterable[bytes]) -> dict[bytes, Any]:
        cached: dict[bytes, Any] = self.ray.get(self.keeper.lookup.remote(list(dict.fromkeys(keys))))
        return cached

    def record(self, results: Mapping[bytes, Any]) -> None:
        self.ray.get(self.keeper.record.remote(dict(results)))
