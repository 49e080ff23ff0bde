"""The expensive stages of a build, each a function of one block of rows.

Tools are made from the recipe alone and load their models at the first block, so that a stage can run here or on a
worker elsewhere. Results stand in the order of the input and never depend on how rows fell into blocks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

from mpodata import quality
from mpodata.engines import ENGINES, Answer, Engine
from mpodata.errors import RecipeError
from mpodata.languages.identification import UNDETERMINED, identify
from mpodata.recipe import Recipe
from mpodata.records import Dropped, Pair, Quality, Side, SourceRow, content_id, user_turn
from mpodata.refusals import DETECTORS, Detector, Exchange, Verdict
from mpodata.registry import construct, require
from mpodata.runtime.journal import Journal
from mpodata.runtime.processes import Spread, here
from mpodata.sources.rows import prompt_group
from mpodata.translators import TRANSLATORS, Translator
from mpodata.versions.schema import Row

FIELDS = ("prompt", "chosen", "rejected")
ASK_AGAIN = ("engine-error", "service")  # drops that the next run of the same command may heal


@dataclass(frozen=True, slots=True)
class Lost:
    """A row that did not make it, and where. Holds no text."""

    stage: str  # "source", "select" or a config name: "en", "nllb-3.3b.sw"
    pair_id: str
    source_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row on its way into a version."""

    split: str  # "train" or "test"
    row: Row
    flagged: str = ""  # the check it failed, where checks keep rows


class Tools:
    """The components a recipe names, each made once and when first needed."""

    def __init__(
        self,
        recipe: Recipe,
        journal: Journal,
        progress: Callable[[int], None] = lambda _: None,
        spread: Spread = here,
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
        if hasattr(made, "spread"):
            made.spread = self.spread
        return made

    def answer_spec(self) -> dict[str, Any]:
        """What an answer depends on beside its prompt."""
        return {**self.engine.provenance(), "sampling": asdict(self.recipe.sampling)}

    def candidates(self, rows: Sequence[SourceRow]) -> list[list[Answer]]:
        """The policy's answers to each prompt, from the journal where they were drawn before."""

        def draw(prompts: list[str]) -> list[list[dict[str, Any]]]:
            drawn = self.engine.answers([user_turn(prompt) for prompt in prompts], self.recipe.sampling)
            return [[asdict(answer) for answer in answers] for answers in drawn]

        def complete(answers: list[dict[str, Any]]) -> bool:
            return all(answer["finish"] != "error" for answer in answers)

        prompts = [row.prompt for row in rows]
        found = self.journal.through("answer", self.answer_spec(), prompts, draw, keep=complete, done=self.progress)
        return [[Answer(**answer) for answer in answers] for answers in found]


def choose(rows: Sequence[SourceRow], tools: Tools) -> list[Kept | Lost]:
    """The dominant side of every row: the first candidate answer that is what the row needs, or why there is none.

    Harmful rows need a complete refusal in the dominant language, harmless ones a complete helpful answer. The source's
    own answers (`chosen: source`) are taken as they are, their verdict recorded.
    """
    policy = tools.recipe.chosen == "policy"
    candidates = tools.candidates(rows) if policy else [_own_answer(row) for row in rows]
    chosen: dict[int, tuple[str, Verdict]] = {}
    reasons: dict[int, str] = {}
    for attempt in range(max(map(len, candidates), default=0)):
        pending = [n for n, answers in enumerate(candidates) if n not in chosen and attempt < len(answers)]
        answers = [candidates[n][attempt].text for n in pending]
        verdicts = _verdicts(tools, [rows[n].prompt for n in pending], answers)
        codes = [code for code, _ in identify(answers, _known_languages(tools.recipe))]
        for n, code, verdict in zip(pending, codes, verdicts, strict=True):
            answer = candidates[n][attempt]
            reason = _unfit(answer, code, verdict, rows[n], tools.recipe.dominant) if policy else None
            if reason is None:
                chosen[n] = (answer.text, verdict)
            else:
                reasons.setdefault(n, reason)
    rejected = _verdicts(tools, [row.prompt for row in rows], [row.unsafe or "" for row in rows])
    lost = [
        _unusable(row, verdict) or (None if n in chosen else reasons.get(n, "no-safe-answer"))
        for n, (row, verdict) in enumerate(zip(rows, rejected, strict=True))
    ]
    sides = {n: _dominant(row, chosen[n][0], tools.recipe) for n, row in enumerate(rows) if lost[n] is None}
    measured = dict(zip(sides, _measured(list(sides.values()), tools), strict=True))
    return [
        _lost(row, reason, tools.recipe)
        if reason
        else _kept(row, sides[n], measured[n], chosen[n][1], rejected[n], tools.recipe)
        for n, (row, reason) in enumerate(zip(rows, lost, strict=True))
    ]


def _own_answer(row: SourceRow) -> list[Answer]:
    return [Answer(row.safe, "stop")] if row.safe else []


def _verdicts(tools: Tools, prompts: Sequence[str], answers: Sequence[str]) -> list[Verdict]:
    exchanges = [Exchange(tools.recipe.dominant, p, a) for p, a in zip(prompts, answers, strict=True)]
    return tools.detector.verdicts(exchanges)


def _unfit(answer: Answer, code: str, verdict: Verdict, row: SourceRow, dominant: str) -> str | None:
    """Why a candidate cannot be the chosen answer."""
    wanted = "refusal" if row.kind == "harmful" else "compliance"
    if answer.finish != "stop":
        return "engine-error" if answer.finish == "error" else "unfinished"
    if not answer.text.strip():
        return "empty-answer"
    if code not in (dominant, UNDETERMINED):
        return "answer-in-another-language"
    if verdict.unsafe:
        return "unsafe-answer"
    if verdict.label == "unknown":
        return "unjudged-answer"
    if verdict.label != wanted:
        return "not-a-refusal" if row.kind == "harmful" else "not-helpful"
    return None


def _unusable(row: SourceRow, verdict: Verdict) -> str | None:
    """Why a row's dispreferred answer cannot be the rejected one."""
    if not row.unsafe:
        return "no-unsafe-answer"
    if row.kind == "harmless":
        return None
    if verdict.unsafe is False:  # a guard looked and found nothing to unlearn
        return "rejected-is-safe"
    return "rejected-is-a-refusal" if verdict.label == "refusal" else None


def _dominant(row: SourceRow, chosen: str, recipe: Recipe) -> Side:
    return Side(recipe.dominant, row.prompt, chosen, row.unsafe or "")


def _measured(sides: Sequence[Side], tools: Tools) -> Iterable[Quality]:
    """What is measured of dominant sides."""
    return tools.spread(partial(quality.measure_originals, among=_known_languages(tools.recipe)), sides)


def _kept(row: SourceRow, side: Side, measured: Quality, chosen: Verdict, rejected: Verdict, recipe: Recipe) -> Kept:
    measured = replace(measured, chosen_verdict=chosen.label, rejected_verdict=rejected.label)
    return Kept(split_of(row.group, recipe), Row(row.pair_id, side, row.category, row.source_id, measured))


def _lost(row: SourceRow, reason: str, recipe: Recipe) -> Lost:
    return Lost(recipe.dominant, row.pair_id, row.source_id, reason)


def split_of(group: str, recipe: Recipe) -> str:
    """ "test" for `test_share` of the prompt groups, the same in every language, build and order of rows."""
    place = int(content_id(str(recipe.seed), group), 16) / 16**16
    return "test" if place < recipe.test_share else "train"


def carry(kept: Sequence[Kept], language: str, tools: Tools) -> list[Kept | Lost]:
    """Every dominant side in `language`, measured and checked."""
    translator = tools.recipe.translator.name
    sides = tools.translator.sides([one.row.side for one in kept], language)
    present = [(one, side) for one, side in zip(kept, sides, strict=True) if isinstance(side, Side)]
    translated = getattr(tools.translator, "translated", FIELDS)
    checked = iter(check(present, translator, tools, translated, _round_trips(present, language, tools)))
    return [
        _untranslated(one, side, f"{translator}.{language}") if isinstance(side, Dropped) else next(checked)
        for one, side in zip(kept, sides, strict=True)
    ]


def _untranslated(one: Kept, why: Dropped, config: str) -> Lost:
    return Lost(config, one.row.pair_id, one.row.source_id, why.reason, why.detail)


def _round_trips(pairs: Sequence[tuple[Kept, Side]], language: str, tools: Tools) -> list[float] | None:
    """chrF of each chosen answer against its back-translation, 0..100 (Popovic 2015); None where not asked for."""
    if not tools.recipe.round_trip:
        return None
    if not hasattr(tools.translator, "back"):
        name = tools.recipe.translator.name
        raise RecipeError(f"--round-trip needs a translator that translates back; {name} does not. Leave it out.")
    chrf = require("sacrebleu", package="sacrebleu", purpose="--round-trip", extra="quality").CHRF()
    back = tools.translator.back([side.chosen for _, side in pairs], language)
    texts = ["" if isinstance(text, Dropped) else text for text in back]
    return [
        round(chrf.sentence_score(text, [one.row.side.chosen]).score, 2)
        for text, (one, _) in zip(texts, pairs, strict=True)
    ]


def check(
    pairs: Sequence[tuple[Kept, Side]],
    translator: str,
    tools: Tools,
    translated: Sequence[str] = FIELDS,
    round_trips: Sequence[float] | None = None,
) -> list[Kept | Lost]:
    """Dominant rows with their target sides, measured; what fails a check is lost, or flagged under `checks: keep`.

    `translated`: the fields that are translations of the dominant ones, which length and structure are compared of.
    """
    rows, targets = [one.row for one, _ in pairs], [side for _, side in pairs]
    unmeasured = [
        Pair(row.pair_id, row.side, side, row.category, row.source_id) for row, side in zip(rows, targets, strict=True)
    ]
    examine = partial(quality.examine, among=_known_languages(tools.recipe), translated=translated)
    examined = tools.spread(examine, unmeasured)
    chosen = tools.detector.verdicts([Exchange(side.language, side.prompt, side.chosen) for side in targets])
    rejected = tools.detector.verdicts([Exchange(side.language, side.prompt, side.rejected) for side in targets])
    results: list[Kept | Lost] = []
    backs: Sequence[float | None] = round_trips or [None] * len(pairs)
    for (one, side), (values, reason), good, bad, back in zip(pairs, examined, chosen, rejected, backs, strict=True):
        values = replace(values, chosen_verdict=good.label, rejected_verdict=bad.label, round_trip_chrf=back)
        row = one.row
        if reason and tools.recipe.checks != "keep":
            results.append(Lost(f"{translator}.{side.language}", row.pair_id, row.source_id, reason))
        else:
            results.append(Kept(one.split, replace(row, side=side, quality=values), reason or ""))
    return results


def adopt(pairs: Sequence[Pair], tools: Tools) -> list[Kept]:
    """The dominant sides of pairs that somebody else made, measured and given their split; nothing is left out."""
    recipe, sides = tools.recipe, [pair.dominant for pair in pairs]
    chosen = _verdicts(tools, [side.prompt for side in sides], [side.chosen for side in sides])
    rejected = _verdicts(tools, [side.prompt for side in sides], [side.rejected for side in sides])
    measured = _measured(sides, tools)
    kept = []
    for pair, values, good, bad in zip(pairs, measured, chosen, rejected, strict=True):
        values = replace(values, chosen_verdict=good.label, rejected_verdict=bad.label)
        row = Row(pair.pair_id, pair.dominant, pair.category, pair.source_id, values)
        kept.append(Kept(split_of(prompt_group(pair.dominant.prompt), recipe), row))
    return kept


def _known_languages(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.dominant, *recipe.languages)
