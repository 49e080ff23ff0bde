"""The parts that a recipe names (engine, detector, translator), each made once and when first needed."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from mpodata.engines import ENGINES, Answer, Engine
from mpodata.engines.journaled import answer_spec, journaled_answers
from mpodata.errors import RecipeError
from mpodata.quality.estimation import QualityEstimation
from mpodata.recipe import Recipe
from mpodata.records import SourceRow
from mpodata.refusals import DETECTORS, Detector
from mpodata.registry import construct
from mpodata.runtime.journal import Journal
from mpodata.runtime.processes import Mapper, serial
from mpodata.translators import TRANSLATORS, Translator


class Components:
    """The components a recipe names, each made once and when first needed."""

    def __init__(
        self,
        recipe: Recipe,
        journal: Journal,
        progress: Callable[[int], None] = lambda _: None,
        spread: Mapper = serial,
    ) -> None:
        self.recipe = recipe
        self.journal = journal
        self.progress = progress
        self.spread = spread  # runs what is pure, here or in other processes

    @cached_property
    def engine(self) -> Engine:
        """The policy. Raises RecipeError where the recipe names no model for it."""
        choice = self.recipe.engine
        if self.recipe.model is None and choice.name != "replay" and "model" not in choice.options:
            raise RecipeError("Which model answers? Give --model (a Hub id or a folder), or --chosen source.")
        given = {} if self.recipe.model is None else {"model": self.recipe.model}
        if self.recipe.revision is not None:
            given["revision"] = self.recipe.revision
        made: Engine = construct("engine", ENGINES, choice.name, choice.options, **given)
        return made

    @cached_property
    def detector(self) -> Detector:
        choice = self.recipe.detector
        made: Detector = construct("detector", DETECTORS, choice.name, choice.options, journal=self.journal)
        return made

    @cached_property
    def translator(self) -> Translator:
        choice = self.recipe.translator
        given: dict[str, Any] = {
            "dominant": self.recipe.dominant,
            "journal": self.journal,
            "sampling": self.recipe.sampling,
            "progress": self.progress,
            "detector": self.detector,
        }
        if self.recipe.model is not None:
            given["engine"] = self.engine
        made: Translator = construct("translator", TRANSLATORS, choice.name, choice.options, **given)
        made.map_with(self.spread)
        return made

    @cached_property
    def estimation(self) -> QualityEstimation | None:
        """What scores translations without a reference; None where the recipe names nothing."""
        place = self.recipe.quality_estimation
        return None if place is None else QualityEstimation(place, self.journal)

    def answer_spec(self, system: str | None = None) -> dict[str, Any]:
        """What an answer depends on beside its prompt; `system`: the system message before it, if any."""
        return answer_spec(self.engine, self.recipe.sampling, system)

    def system_of(self, row: SourceRow) -> str | None:
        """The system message that the policy gets with a row's prompt: harmless prompts get none."""
        return self.recipe.refusal_prompt if row.kind == "harmful" else None

    def candidates(self, rows: Sequence[SourceRow]) -> list[list[Answer]]:
        """The policy's answers to each prompt, from the journal where they were drawn before."""
        answers: dict[int, list[Answer]] = {}
        for system in dict.fromkeys(map(self.system_of, rows)):
            places = [place for place, row in enumerate(rows) if self.system_of(row) == system]
            answers.update(zip(places, self._answers([rows[place].prompt for place in places], system), strict=True))
        return [answers[place] for place in range(len(rows))]

    def _answers(self, prompts: Sequence[str], system: str | None) -> list[list[Answer]]:
        return journaled_answers(self.engine, prompts, self.recipe.sampling, self.journal, system, done=self.progress)
