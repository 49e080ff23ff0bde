"""Which rows a build takes: sources opened, contamination and duplicates left out, counterweights mixed in."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

from mpodata.errors import DataError, RecipeError
from mpodata.recipe import Recipe, SourceChoice
from mpodata.records import Dropped, Pair, SourceRow
from mpodata.registry import construct, resolve
from mpodata.selection.answers import same_answers
from mpodata.selection.counterweight import counterweight_count, counterweights
from mpodata.selection.decontamination import Decontamination, contaminated, evaluation_sets
from mpodata.selection.dominant import DominantLanguage
from mpodata.selection.sampling import NearDuplicates, drawn_ids, sample, without_near_duplicates
from mpodata.sources import SOURCES, ParallelSource, Source
from mpodata.sources.detection import detect
from mpodata.sources.rows import prompt_group

SelectedRows = Iterator[SourceRow | Dropped]


@dataclass(frozen=True)
class Selection:
    """The sources of one recipe, opened: `rows()` streams what the build takes, or `pairs()` where it is finished."""

    recipe: Recipe
    source: Source | None
    finished: ParallelSource | None  # in the place of `source`: pairs that are answered and translated already
    harmless: Source | None  # of counterweight pairs
    decontamination: Decontamination
    shortfall: dict[str, dict[str, int]] = field(default_factory=dict)  # known when all rows were read

    def rows(self) -> SelectedRows:
        """Harmful rows, then counterweight rows; a Dropped in the place of each row that cannot be used."""
        recipe = self.recipe
        taken = 0
        for row in self._drawn(self._harmful(), recipe.samples, recipe.skip):
            taken += isinstance(row, SourceRow)
            yield row
        self._fell_short("samples", recipe.samples, taken)
        if self.harmless is not None:
            count = counterweight_count(taken, recipe.counterweight.share)
            rows = counterweights(
                self._harmless(self.harmless), dominant=recipe.dominant, refusals=recipe.counterweight.refusals
            )
            mixed_in = 0
            skipped = counterweight_count(recipe.skip, recipe.counterweight.share)
            for row in self._drawn(rows, count, skipped):
                mixed_in += isinstance(row, SourceRow)
                yield row
            self._fell_short("counterweight.share", count, mixed_in)
            if count and not mixed_in:
                raise DataError(
                    f"counterweight.source {_name(recipe.counterweight.source)} gave no usable harmless row, and "
                    f"counterweight.share {recipe.counterweight.share} asks for {count}. Give other harmless prompts."
                )

    def _fell_short(self, key: str, asked: int | None, taken: int) -> None:
        if asked is not None and taken < asked:
            self.shortfall[key] = {"asked": asked, "taken": taken}

    def _harmful(self) -> SelectedRows:
        assert self.source is not None
        for row in self._in_dominant(self.source, self.recipe.source):
            if isinstance(row, Dropped) or row.kind == "harmful":
                yield row
            elif not self._one_file:
                yield Dropped("harmless-prompt", f"{row.source_id}: harmless rows come from counterweight.source")

    def _harmless(self, source: Source) -> SelectedRows:
        """The harmful rows of a file of both kinds were taken already; those of another file are counted."""
        for row in self._in_dominant(source, self.recipe.counterweight.source):
            if isinstance(row, Dropped) or row.kind == "harmless" or not self._one_file:
                yield row

    @property
    def _one_file(self) -> bool:
        """Does one file hold both kinds of rows, each read for its own?"""
        return self.harmless is not None and self.recipe.source == self.recipe.counterweight.source

    def _in_dominant(self, source: Source, choice: SourceChoice) -> SelectedRows:
        watch = DominantLanguage(self.recipe.dominant, _name(choice))
        own_answers = self.recipe.chosen == "source"
        for row in source.rows():
            if isinstance(row, Dropped):
                yield row
            else:
                yield watch.drop(row.source_id, row.prompt, row.unsafe, row.safe if own_answers else None) or row
        watch.check()

    def _drawn(self, rows: SelectedRows, count: int | None, skip: int = 0) -> SelectedRows:
        """`count` rows by hash, after the first `skip` of the draw: what a build with those took, another leaves."""
        recipe = self.recipe
        rows = self.decontamination.clean(rows)
        if recipe.near_duplicates is not None:
            rows = without_near_duplicates(rows, recipe.near_duplicates)
        total = None if count is None else count + skip
        for row in sample(rows, total, seed=recipe.seed, stratify=recipe.stratify):
            if isinstance(row, SourceRow) and skip:
                skip -= 1
                continue
            yield row

    def pairs(self) -> Iterator[Pair | Dropped]:
        """The finished pairs a build takes; a Dropped in the place of each that cannot be used.

        A sample is one of dominant pairs, drawn by hash, with all their languages; the others are not taken.
        """
        assert self.finished is not None
        if self.recipe.samples is None:
            yield from self._usable_pairs(self.finished)
            return
        usable = bytearray()  # of each pair, in order: memory for a million of them
        ids: set[str] = set()
        for pair in self._usable_pairs(self.finished):
            usable.append(isinstance(pair, Pair))
            if isinstance(pair, Pair):
                ids.add(pair.pair_id)
            else:
                yield pair
        drawn = drawn_ids(ids, self.recipe.samples, seed=self.recipe.seed)
        self._fell_short("samples", self.recipe.samples, len(drawn))
        for fit, pair in zip(usable, self.finished.pairs(), strict=True):
            if fit and isinstance(pair, Pair) and pair.pair_id in drawn:
                yield pair

    def _usable_pairs(self, source: ParallelSource) -> Iterator[Pair | Dropped]:
        recipe = self.recipe
        watch = DominantLanguage(recipe.dominant, _name(recipe.source))
        earlier = None if recipe.near_duplicates is None else NearDuplicates(recipe.near_duplicates)
        near: dict[str, str | None] = {}  # pair_id -> the earlier row whose prompt is nearly its own
        for pair in source.pairs():
            if isinstance(pair, Dropped):
                yield pair
                continue
            side = pair.dominant
            if earlier is not None and pair.pair_id not in near:
                near[pair.pair_id] = earlier.find(side.prompt, prompt_group(side.prompt), pair.source_id)
            if pair.target.language not in recipe.languages:
                yield Dropped("language-not-requested", f"{pair.source_id}: {pair.target.language}")
            elif off := watch.drop(pair.source_id, side.prompt, side.chosen, side.rejected):
                yield off
            elif held := self.decontamination.overlaps(side.prompt, pair.target.prompt):
                yield contaminated(pair.source_id, held)
            elif nearly := near.get(pair.pair_id):
                yield Dropped("near-duplicate", f"{pair.source_id}: nearly the prompt of {nearly}")
            elif same_answers(side.chosen, side.rejected):
                yield Dropped("same-answers", pair.source_id)
            else:
                yield pair
        watch.check()

    def provenance(self) -> dict[str, Any]:
        """The main source's, with that of the counterweight prompts beside it."""
        main = self.finished or self.source
        assert main is not None
        recorded = main.provenance()
        return recorded if self.harmless is None else {**recorded, "counterweight": self.harmless.provenance()}


def select(recipe: Recipe) -> Selection:
    """Open what the recipe names; reads no rows yet, except to recognise a file."""
    if not recipe.source.name and recipe.source.path is None:
        raise RecipeError("Which prompts? Give --source (a file, a Hub dataset id or a name such as pku-saferlhf).")
    share, choice = recipe.counterweight.share, recipe.counterweight.source
    if share and not (choice.name or choice.path):
        raise RecipeError("counterweight.share needs harmless prompts: give counterweight.source (a name or a path).")
    source = open_source(choice=recipe.source, dominant=recipe.dominant)
    finished = isinstance(source, ParallelSource)
    harmless = open_source(choice=choice, dominant=recipe.dominant, kind="harmless") if share else None
    if isinstance(harmless, ParallelSource):
        raise RecipeError(f"counterweight.source {_name(choice)} holds finished pairs; give harmless prompts.")
    return Selection(
        recipe=_for_pairs(recipe, source) if isinstance(source, ParallelSource) else recipe,
        source=None if isinstance(source, ParallelSource) else source,
        finished=source if isinstance(source, ParallelSource) else None,
        harmless=None if finished else harmless,
        decontamination=evaluation_sets(recipe.decontaminate),
    )


def _for_pairs(recipe: Recipe, source: ParallelSource) -> Recipe:
    """The recipe of an import: the source decides the languages, and rows are kept with what checks say of them."""
    useless = {
        "--pairs": recipe.pairs,
        "counterweight.share": recipe.counterweight.share,
        "stratify": recipe.stratify,
        "skip": recipe.skip,
        "--round-trip": recipe.round_trip,
        "--revision": recipe.revision,
        "--refusal-prompt": recipe.refusal_prompt,
    }
    given = [name for name, value in useless.items() if value]
    if given:
        raise RecipeError(
            f"The source {_name(recipe.source)} holds finished pairs, which nothing answers or translates: "
            f"leave {', '.join(given)} out."
        )
    absent = [code for code in recipe.languages if code not in source.targets]
    if absent:
        raise RecipeError(
            f"{_name(recipe.source)} holds no pairs in {', '.join(absent)}; its languages: {', '.join(source.targets)}."
        )
    languages = recipe.languages or tuple(source.targets)
    return replace(recipe, languages=languages, checks=recipe.checks or "keep", chosen="source")


def open_source(*, choice: SourceChoice, dominant: str = "en", kind: str = "harmful") -> Source | ParallelSource:
    """The source behind a recipe's choice; a path alone is recognised from its columns."""
    options = dict(choice.options)
    for key in ("path", "revision", "columns"):
        if value := getattr(choice, key):
            options[key] = value
    placed = {key: options[key] for key in ("config", "split", "revision") if key in options}
    name = choice.name or ("table" if choice.columns else detect(str(choice.path), **placed))
    if kind == "harmless" and "kind" not in signature(resolve("source", SOURCES, name)).parameters:
        raise RecipeError(
            f"counterweight.source {_name(choice)} is read as {name}, whose prompts are all harmful. "
            "Give harmless prompts, or counterweight.source.name=table where these are."
        )
    source: Source | ParallelSource = construct("source", SOURCES, name, options, kind=kind, dominant=dominant)
    return source


def _name(choice: SourceChoice) -> str:
    """What a user calls a source."""
    return choice.path or choice.name
