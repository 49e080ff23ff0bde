"""Which source rows a build takes: sources opened, contamination and duplicates left out, counterweights mixed in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mpodata.errors import RecipeError
from mpodata.recipe import Recipe, SourceChoice
from mpodata.records import Dropped, SourceRow
from mpodata.registry import construct
from mpodata.selection.counterweight import counterweight_count, counterweights
from mpodata.selection.decontamination import Decontamination, evaluation_sets
from mpodata.selection.sampling import sample, without_near_duplicates
from mpodata.sources import SOURCES, Source
from mpodata.sources.detection import detect

SelectedRows = Iterator[SourceRow | Dropped]


@dataclass(frozen=True)
class Selection:
    """The sources of one recipe, opened; `rows()` streams what the build takes."""

    recipe: Recipe
    source: Any  # a Source, or a CarriedSource
    harmless: Source | None  # of counterweight pairs
    decontamination: Decontamination

    @property
    def carried_already(self) -> bool:
        """Does the source hold finished pairs in several languages, so that nothing is answered or translated?"""
        return hasattr(self.source, "pairs")

    def rows(self) -> SelectedRows:
        """Harmful rows, then counterweight rows; a Dropped in the place of each row that cannot be used."""
        recipe = self.recipe
        taken = 0
        for row in self._drawn(self._harmful(), recipe.samples):
            taken += isinstance(row, SourceRow)
            yield row
        if self.harmless is not None:
            count = counterweight_count(taken, recipe.counterweight.share)
            refused = counterweights(
                (row for row in self.harmless.rows() if isinstance(row, Dropped) or row.kind == "harmless"),
                dominant=recipe.dominant,
                refusals=recipe.counterweight.refusals,
            )
            yield from self._drawn(refused, count)

    def _harmful(self) -> SelectedRows:
        for row in self.source.rows():
            harmless = isinstance(row, SourceRow) and row.kind != "harmful"
            if not (harmless and self.harmless is not None):  # one file may hold both kinds; each is read for its own
                yield Dropped("harmless-prompt", "harmless rows need counterweight.share") if harmless else row

    def _drawn(self, rows: SelectedRows, count: int | None) -> SelectedRows:
        recipe = self.recipe
        rows = self.decontamination.clean(rows)
        if recipe.near_duplicates is not None:
            rows = without_near_duplicates(rows, recipe.near_duplicates)
        return sample(rows, count, seed=recipe.seed, stratify=recipe.stratify)

    def provenance(self) -> dict[str, Any]:
        """The main source's, with that of the counterweight prompts beside it."""
        known = self.source.provenance()
        return known if self.harmless is None else {**known, "counterweight": self.harmless.provenance()}


def select(recipe: Recipe) -> Selection:
    """Open what the recipe names; reads no rows yet, except to recognise a file."""
    if not recipe.source.name and recipe.source.path is None:
        raise RecipeError("Which prompts? Give --source (a file, a Hub dataset id or a name such as pku-saferlhf).")
    share, choice = recipe.counterweight.share, recipe.counterweight.source
    if share and not (choice.name or choice.path):
        raise RecipeError("counterweight.share needs harmless prompts: give counterweight.source (a name or a path).")
    source: Any = open_source(choice=recipe.source, languages=recipe.languages)
    return Selection(
        recipe=_for_pairs(recipe, source) if hasattr(source, "pairs") else recipe,
        source=source,
        harmless=open_source(choice=choice, kind="harmless") if share else None,
        decontamination=evaluation_sets(recipe.decontaminate),
    )


def _for_pairs(recipe: Recipe, source: Any) -> Recipe:
    """The recipe of an import: the source decides the languages, and rows are kept with what checks say of them."""
    if recipe.samples is not None or recipe.counterweight.share:
        raise RecipeError("The source holds finished pairs: leave --samples and counterweight.share out.")
    return replace(recipe, languages=tuple(source.targets), checks=recipe.checks or "keep", chosen="source")


def open_source(*, choice: SourceChoice, kind: str = "harmful", languages: tuple[str, ...] = ()) -> Source:
    """The source behind a recipe's choice; a path alone is recognised from its columns."""
    given: dict[str, Any] = {"kind": kind} | ({"languages": languages} if languages else {})
    options = dict(choice.options)
    for key in ("path", "revision", "columns"):
        if value := getattr(choice, key):
            options[key] = value
    name = choice.name or detect(
        str(choice.path), **{k: options[k] for k in ("config", "split", "revision") if k in options}
    )
    source: Source = construct("source", SOURCES, name, options, **given)
    return source
