"""What cannot work is refused before the first answer is generated or paid for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Final

from mpodata.engines import ENGINES
from mpodata.engines.checkpoints import EMBEDDED
from mpodata.errors import DataError, RecipeError
from mpodata.pipeline.components import Components
from mpodata.quality.estimation import check_place
from mpodata.recipe import Recipe
from mpodata.records import SourceRow
from mpodata.registry import resolve
from mpodata.translators import TRANSLATORS

TRIED: Final = 256  # prompts among which one is looked for that a remote translator has not seen


@dataclass
class SelectedRows:
    """Watches the selected rows go by: how many there are, what they lack, the first prompts."""

    harmful: int = 0
    without_unsafe: int = 0  # of the harmful ones
    without_safe: int = 0  # of all
    count: int = 0
    prompts: list[str] = field(default_factory=list)

    def watched(self, rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
        for row in rows:
            self.count += 1
            self.harmful += row.kind == "harmful"
            self.without_unsafe += row.kind == "harmful" and not row.unsafe
            self.without_safe += not row.safe
            if len(self.prompts) < TRIED:
                self.prompts.append(row.prompt)
            yield row


def check_rows(rows: SelectedRows, recipe: Recipe) -> None:
    """Raise DataError where no row has what a pair needs of its source."""
    source = recipe.source.path or recipe.source.name
    if rows.harmful and rows.without_unsafe == rows.harmful:
        raise DataError(
            f"No row of {source} has a dispreferred answer, which becomes `rejected`. "
            "Name its column (--source-columns rejected=COLUMN), or take a source that has one."
        )
    if recipe.chosen == "source" and rows.count and rows.without_safe == rows.count:
        raise DataError(
            f"No row of {source} has a preferred answer, which --chosen source takes. "
            "Name its column (--source-columns chosen=COLUMN), or let the policy answer: --chosen policy --model MODEL."
        )


def check_components(recipe: Recipe, components: Components) -> None:
    """Raise RecipeError for options that nothing would heed, ConfigError for languages the translator cannot do."""
    check_options(recipe)
    if recipe.chosen == "policy" or (recipe.languages and asks_the_policy(recipe.translator.name)):
        components.engine.check_installed()
    if recipe.round_trip and recipe.languages and components.translator.back([], recipe.languages[0]) is None:
        name = recipe.translator.name
        raise RecipeError(f"--round-trip needs a translator that translates back; {name} does not. Leave it out.")
    if recipe.languages:
        components.translator.ready([], recipe.languages)


def check_options(recipe: Recipe) -> None:
    """Raise RecipeError for options that nothing would heed; looks at the recipe alone."""
    if recipe.revision is not None:
        _check_revision(recipe)
    if recipe.refusal_prompt is not None and (recipe.chosen == "source" or recipe.engine.name == "replay"):
        whose = "the source's own" if recipe.chosen == "source" else "recorded"
        raise RecipeError(f"A refusal prompt changes nothing where answers are {whose}: leave --refusal-prompt out.")
    if recipe.quality_estimation is not None and not recipe.languages:
        raise RecipeError("--quality-estimation scores translations, and no language is asked for: leave it out.")
    if recipe.quality_estimation is not None:
        check_place(recipe.quality_estimation)


def _check_revision(recipe: Recipe) -> None:
    """--revision is of the Hub model that the policy is; anything else would not heed it."""
    engine = resolve("engine", ENGINES, recipe.engine.name)
    used = recipe.chosen == "policy" or (recipe.languages and asks_the_policy(recipe.translator.name))
    if recipe.model is None:
        why = "no --model is given"
    elif not used:
        why = "no model answers in this build"
    elif "revision" not in signature(engine).parameters:
        why = f"engine {recipe.engine.name} takes none"
    elif recipe.model in EMBEDDED or Path(recipe.model).expanduser().exists():
        why = f"{recipe.model} is not a model on the Hub"
    else:
        return
    raise RecipeError(f"--revision names the revision of a Hub model, and {why}: leave it out.")


def asks_the_policy(translator: str) -> bool:
    """Does a translator, by its name in TRANSLATORS, let the policy answer or translate?"""
    return "engine" in signature(resolve("translator", TRANSLATORS, translator)).parameters


def check_service(rows: SelectedRows, recipe: Recipe, components: Components) -> None:
    """Raise RemoteError where the translator's service does not answer, before any answer is drawn."""
    if recipe.languages:
        components.translator.ready(rows.prompts, recipe.languages)
