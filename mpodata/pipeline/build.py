"""The pipeline: source -> answers and refusals -> translator -> checks -> version. Read `build` top to bottom."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from mpodata.errors import DataError
from mpodata.licences import model_licence
from mpodata.pipeline.components import Components
from mpodata.pipeline.exact import Draw, check_pairs, draw_pairs, same_pairs
from mpodata.pipeline.existing import BaseVersion, finished_build, may_heal, unanswered
from mpodata.pipeline.preflight import SelectedRows, check_components, check_rows, check_service
from mpodata.pipeline.results import Kept, Lost
from mpodata.pipeline.rules import row_rules
from mpodata.pipeline.scratch import KeptFile, blocks, read_source_rows, write_source_rows
from mpodata.pipeline.select import Selection, select
from mpodata.pipeline.stages import check, choose, import_pairs, translate
from mpodata.pipeline.workspace import Workspace
from mpodata.quality.comparison import compare_fields, translated_fields
from mpodata.recipe import Recipe
from mpodata.records import Pair, SourceRow
from mpodata.runtime.journal import Journal
from mpodata.runtime.processes import ProcessMapper
from mpodata.runtime.progress import Progress, Silent
from mpodata.versions.manifest import BuildFacts, Manifest, config_name
from mpodata.versions.write import VersionWriter

BLOCK = 256  # rows a stage works on at once, and the most a kill can lose
SPLITS = ("train", "test")
LIBRARIES = ("datasets", "pyarrow", "transformers", "torch", "ctranslate2", "vllm", "sentencex", "py3langid")


class Runner(Protocol):
    """Runs the two expensive stages over many rows, results in order; `scale.py` has the one on Ray."""

    def choose(self, rows: Iterable[SourceRow]) -> Iterator[list[Kept | Lost]]: ...

    def translate(self, rows: Iterable[Kept], language: str) -> Iterator[list[Kept | Lost]]: ...


MakeRunner = Callable[[Components, Path], Runner]  # from the components and a scratch folder


class LocalRunner:
    """In this process, block by block."""

    def __init__(self, components: Components, scratch: Path) -> None:  # noqa: ARG002
        self.components = components

    def choose(self, rows: Iterable[SourceRow]) -> Iterator[list[Kept | Lost]]:
        size = self.components.engine.block if self.components.recipe.chosen == "policy" else BLOCK
        return (choose(part, self.components) for part in blocks(rows, size))

    def translate(self, rows: Iterable[Kept], language: str) -> Iterator[list[Kept | Lost]]:
        size = sys.maxsize if self.components.translator.needs_all_rows else BLOCK
        return (translate(part, language, self.components) for part in blocks(rows, size))


def build(
    recipe: Recipe,
    out: Path,
    *,
    journal: Journal,
    command: str = "",
    base: Path | None = None,
    runner: MakeRunner | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> Manifest:
    """Build the version folder `out`; returns its manifest. The same recipe again continues, or finds it complete.

    `base` is a version to add this translator and these languages to. Rows that did not make it stand with their
    reasons in `out`.work/drops.jsonl. `workers`: processes that measure and check rows; a script that asks for more
    than one needs `if __name__ == "__main__":`. Raises VersionExists where `out` holds another build.
    """
    selection = select(recipe)
    recipe = selection.recipe
    spread, shown, draw = ProcessMapper(workers), progress or Silent(), None
    components = Components(recipe, journal, spread=spread)
    name = recipe.translator.name if selection.finished is None else selection.finished.translator
    existing = None if base is None else BaseVersion(base, recipe.dominant)
    facts = _facts(recipe, selection, components, command)
    previous = finished_build(out, facts)
    if previous is not None and not may_heal(previous):
        return previous
    if selection.finished is None:
        check_components(recipe, components)
    if recipe.pairs is not None:
        check_pairs(recipe)
    with VersionWriter(out, base=base, replace=previous is not None) as writer, Workspace(out) as work, spread:
        if selection.finished is not None:
            files = _imported(selection, selection.finished.translator, components, work)
        else:

            def made(rows: Selection, at: Workspace, draw: Draw | None = None) -> Iterator[tuple[str, KeptFile]]:
                return _made(rows, components, (runner or LocalRunner)(components, at.scratch), at, shown, draw)

            if recipe.pairs is not None:
                draw = draw_pairs(recipe, made, work.scratch) if existing is None else same_pairs(existing.pair_ids())
                selection = select(replace(recipe, samples=draw.samples))
            files = made(selection, work, draw)
        for config, file in files:
            if existing is not None and config == recipe.dominant:
                existing.check_dominant(file.read(), [config_name(name, code) for code in recipe.languages])
            for split in SPLITS:
                writer.add(config, split, file.split(split))
        work.keep_drops()
        decontamination = {evaluation["set"]: evaluation for evaluation in selection.decontamination.report()}
        checks = {**facts.checks, "flagged": work.flagged}
        return writer.finish(
            replace(
                facts,
                dropped=work.dropped,
                checks=checks,
                decontamination=decontamination,
                shortfall=selection.shortfall if draw is None else draw.shortfall(recipe.pairs),
                unanswered=unanswered(work.dropped),
            )
        )


def _made(
    selection: Selection,
    components: Components,
    runner: Runner,
    work: Workspace,
    progress: Progress,
    draw: Draw | None = None,
) -> Iterator[tuple[str, KeptFile]]:
    """The dominant config, then each target's, as they are finished; of a `draw` only what it takes."""
    recipe = selection.recipe
    selected, rows = work.scratch / "selected.jsonl", SelectedRows()
    source = selection.rows() if draw is None else draw.only(selection.rows())
    count = write_source_rows(selected, rows.watched(work.taken(source)))
    if count == 0 and work.final:
        raise DataError(f"No usable row is left: {work.reasons()}. Check the source and its columns.")
    check_rows(rows, recipe)
    check_service(rows, recipe, components)
    chosen = progress.over(runner.choose(read_source_rows(selected)), f"{recipe.dominant}: answers", count)
    dominant = work.file(recipe.dominant, chosen)
    if dominant.rows == 0 and work.final:
        work.keep_drops()
        raise DataError(f"No pair is left in {recipe.dominant}: {work.reasons()}. Each row stands in {work.drops}.")
    yield recipe.dominant, dominant
    for language in recipe.languages:
        config = config_name(recipe.translator.name, language)
        translated = progress.over(runner.translate(dominant.read(), language), f"{config}: translation", dominant.rows)
        yield config, work.file(config, translated)


def _imported(
    selection: Selection, translator: str, components: Components, work: Workspace
) -> Iterator[tuple[str, KeptFile]]:
    """A source of finished pairs taken apart: the dominant sides, each stored once, and a config per language."""
    files: dict[str, list[Kept | Lost]] = {components.recipe.dominant: []}
    seen: set[str] = set()
    # A first reading: which fields translate the dominant side? Others are not compared with it.
    assert selection.finished is not None
    comparisons = compare_fields(
        (pair.dominant, pair.target) for pair in selection.finished.pairs() if isinstance(pair, Pair)
    )
    for pairs in blocks(work.paired(selection.pairs()), BLOCK):
        dominants = import_pairs(pairs, components)
        for kept in dominants:
            if kept.row.pair_id not in seen:
                files[components.recipe.dominant].append(kept)
                seen.add(kept.row.pair_id)
        targets = [(kept, pair.target) for kept, pair in zip(dominants, pairs, strict=True)]
        for language in dict.fromkeys(side.language for _, side in targets):
            own = [(kept, side) for kept, side in targets if side.language == language]
            compared = translated_fields(comparisons, language)
            results = files.setdefault(config_name(translator, language), [])
            results.extend(check(own, translator, components, compared))
    if not seen:
        raise DataError(f"No usable pair is left: {work.reasons()}. Check the source and the options that select.")
    for config, results in files.items():
        yield config, work.file(config, [results])


def _facts(recipe: Recipe, selection: Selection, components: Components, command: str) -> BuildFacts:
    """What the build is made from, known before its first row; a complete folder with the same facts is not rebuilt."""
    finished = selection.finished
    answered = recipe.chosen == "policy" and finished is None
    name = recipe.translator.name if finished is None else finished.translator
    source = selection.provenance()  # a missing column is said before any model is looked for
    translators: dict[str, dict[str, Any]] = {}
    if recipe.languages:
        translators[name] = components.translator.provenance() if finished is None else {"name": name}
    system = {"refusal_prompt": recipe.refusal_prompt} if recipe.refusal_prompt else {}
    sampling = {**asdict(recipe.sampling), **system}
    estimation = {} if components.estimation is None else {"quality_estimation": components.estimation.about}
    return BuildFacts(
        dominant=recipe.dominant,
        recipe=recipe.as_dict(),
        command=command,
        source=source,
        policy={**components.engine.provenance(), "licence": model_licence(recipe.model)} if answered else {},
        sampling=sampling if answered else {},
        translators=translators,
        detector=components.detector.provenance(),
        checks={"mode": recipe.checks or "drop", **row_rules(), **estimation},
        libraries={name: found for name in LIBRARIES if (found := _installed(name))},
        chosen="policy" if answered else "source",
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
