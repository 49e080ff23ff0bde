"""The expensive stages of a build, each a function of one block of rows.

Components are made from the recipe alone and load their models at the first block, so that a stage can run here or on a
worker elsewhere. Results stand in the order of the input and never depend on how rows fell into blocks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mpodata import quality
from mpodata.engines import Answer
from mpodata.languages.chrf import chrf
from mpodata.languages.identification import UNDETERMINED, identify
from mpodata.pipeline.components import Components
from mpodata.pipeline.results import Kept, Lost
from mpodata.recipe import Recipe
from mpodata.records import FIELDS, Dropped, Pair, Quality, Side, SourceRow, content_id
from mpodata.refusals import Exchange, Verdict
from mpodata.selection.answers import same_answers
from mpodata.sources.rows import prompt_group
from mpodata.versions.schema import Row


def choose(rows: Sequence[SourceRow], components: Components) -> list[Kept | Lost]:
    """The dominant side of every row: the first candidate answer that is what the row needs, or why there is none.

    Harmful rows need a complete refusal in the dominant language, harmless ones a complete helpful answer. The source's
    own answers (`chosen: source`) are taken as they are, their verdict recorded.
    """
    policy = components.recipe.chosen == "policy"
    candidates = _candidates(rows, components) if policy else [_own_answer(row) for row in rows]
    chosen: dict[int, tuple[str, Verdict]] = {}
    reasons: dict[int, str] = {}
    for attempt in range(max(map(len, candidates), default=0)):
        pending = [n for n, answers in enumerate(candidates) if n not in chosen and attempt < len(answers)]
        answers = [candidates[n][attempt].text for n in pending]
        verdicts = _verdicts(components, [rows[n] for n in pending], answers)
        codes = [code for code, _ in identify(answers, _known_languages(components.recipe))]
        for n, code, verdict in zip(pending, codes, verdicts, strict=True):
            answer = candidates[n][attempt]
            reason = _unfit(answer, code, verdict, rows[n], components.recipe) if policy else None
            if reason is None and same_answers(answer.text, rows[n].unsafe or ""):
                reason = "same-answers"
            if reason is None:
                chosen[n] = (answer.text, verdict)
            else:
                reasons.setdefault(n, reason)
    rejected = _verdicts(components, rows, [row.unsafe or "" for row in rows])
    lost = [
        ("same-answers" if reasons.get(n) == "same-answers" and n not in chosen else None)
        or _unusable(row, verdict)
        or (None if n in chosen else reasons.get(n, "no-safe-answer"))
        for n, (row, verdict) in enumerate(zip(rows, rejected, strict=True))
    ]
    sides = {n: _dominant(row, chosen[n][0], components.recipe) for n, row in enumerate(rows) if lost[n] is None}
    measured = dict(zip(sides, _measured(list(sides.values()), components), strict=True))
    return [
        _lost(row, reason, components.recipe)
        if reason
        else _kept(row, sides[n], measured[n], chosen[n][1], rejected[n], components.recipe)
        for n, (row, reason) in enumerate(zip(rows, lost, strict=True))
    ]


def _candidates(rows: Sequence[SourceRow], components: Components) -> list[list[Answer]]:
    """The policy's answers; none for a row without an answer to unlearn, which is dropped whatever is chosen."""
    drawn = iter(components.candidates([row for row in rows if row.unsafe]))
    return [next(drawn) if row.unsafe else [] for row in rows]


def _own_answer(row: SourceRow) -> list[Answer]:
    return [Answer(row.safe, "stop")] if row.safe else []


def _verdicts(components: Components, rows: Sequence[SourceRow], answers: Sequence[str]) -> list[Verdict]:
    """The detector's verdicts on one answer per row, told whether the row's prompt is harmful."""
    dominant = components.recipe.dominant
    return components.detector.verdicts(
        [Exchange(dominant, row.prompt, text, row.kind == "harmful") for row, text in zip(rows, answers, strict=True)]
    )


def _verdicts_on_pairs(
    components: Components, pairs: Sequence[Pair], sides: Sequence[Side]
) -> tuple[list[Verdict], list[Verdict]]:
    """The detector's verdicts on the chosen and on the rejected answer of one side of each pair."""
    judged = [(side, pair.kind == "harmful") for pair, side in zip(pairs, sides, strict=True)]
    return (
        components.detector.verdicts([Exchange(side.language, side.prompt, side.chosen, bad) for side, bad in judged]),
        components.detector.verdicts(
            [Exchange(side.language, side.prompt, side.rejected, bad) for side, bad in judged]
        ),
    )


def _unfit(answer: Answer, code: str, verdict: Verdict, row: SourceRow, recipe: Recipe) -> str | None:
    """Why a candidate cannot be the chosen answer."""
    wanted = "refusal" if row.kind == "harmful" else "compliance"
    if answer.fault is not None:
        return answer.fault
    if code not in (recipe.dominant, UNDETERMINED):
        return "answer-in-another-language"
    if verdict.unsafe:
        return "unsafe-answer"
    if row.kind == "harmful" and not recipe.chosen_must_refuse:
        return None
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


def _measured(sides: Sequence[Side], components: Components) -> Iterable[Quality]:
    """What is measured of dominant sides."""
    return components.spread(partial(quality.measure_originals, among=_known_languages(components.recipe)), sides)


def _kept(row: SourceRow, side: Side, measured: Quality, chosen: Verdict, rejected: Verdict, recipe: Recipe) -> Kept:
    measured = replace(measured, chosen_verdict=chosen.label, rejected_verdict=rejected.label)
    return Kept(split_of(row.group, recipe), Row(row.pair_id, side, row.category, row.source_id, measured))


def _lost(row: SourceRow, reason: str, recipe: Recipe) -> Lost:
    return Lost(recipe.dominant, row.pair_id, row.source_id, reason)


def split_of(group: str, recipe: Recipe) -> str:
    """ "test" for `test_share` of the prompt groups, the same in every language, build and order of rows."""
    place = int(content_id(str(recipe.seed), group), 16) / 16**16
    return "test" if place < recipe.test_share else "train"


def translate(kept: Sequence[Kept], language: str, components: Components) -> list[Kept | Lost]:
    """Every dominant side in `language`, measured and checked."""
    translator = components.recipe.translator.name
    sides = components.translator.translate([kept_row.row.side for kept_row in kept], language)
    present = [(kept_row, side) for kept_row, side in zip(kept, sides, strict=True) if isinstance(side, Side)]
    translated = components.translator.translated_fields
    checked = iter(check(present, translator, components, translated, _round_trips(present, language, components)))
    return [
        _untranslated(kept_row, side, f"{translator}.{language}") if isinstance(side, Dropped) else next(checked)
        for kept_row, side in zip(kept, sides, strict=True)
    ]


def _untranslated(one: Kept, why: Dropped, config: str) -> Lost:
    return Lost(config, one.row.pair_id, one.row.source_id, why.reason, why.detail)


def _round_trips(pairs: Sequence[tuple[Kept, Side]], language: str, components: Components) -> list[float] | None:
    """chrF of each chosen answer against its back-translation, 0..100 (Popovic 2015); None where not asked for."""
    if not components.recipe.round_trip:
        return None
    back = components.translator.back([side.chosen for _, side in pairs], language) or []
    texts = ["" if isinstance(text, Dropped) else text for text in back]
    return [round(chrf(text, one.row.side.chosen), 2) for text, (one, _) in zip(texts, pairs, strict=True)]


def check(
    pairs: Sequence[tuple[Kept, Side]],
    translator: str,
    components: Components,
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
    examine = partial(quality.measure_and_check, among=_known_languages(components.recipe), translated=translated)
    examined = components.spread(examine, unmeasured)
    chosen, rejected = _verdicts_on_pairs(components, unmeasured, targets)
    results: list[Kept | Lost] = []
    backs: Sequence[float | None] = round_trips or [None] * len(pairs)
    for (one, side), (values, reason), good, bad, back in zip(pairs, examined, chosen, rejected, backs, strict=True):
        values = replace(values, chosen_verdict=good.label, rejected_verdict=bad.label, round_trip_chrf=back)
        row = one.row
        if same_answers(side.chosen, side.rejected):
            results.append(Lost(f"{translator}.{side.language}", row.pair_id, row.source_id, "same-answers"))
        elif reason and components.recipe.checks != "keep":
            results.append(Lost(f"{translator}.{side.language}", row.pair_id, row.source_id, reason))
        else:
            results.append(Kept(one.split, replace(row, side=side, quality=values), reason or ""))
    return _estimated(results, {row.pair_id: row.side for row in rows}, translated, components)


def _estimated(
    results: list[Kept | Lost], dominant: Mapping[str, Side], translated: Sequence[str], components: Components
) -> list[Kept | Lost]:
    """The kept rows with their translated fields scored, where the recipe names an estimator."""
    if components.estimation is None:
        return results
    kept = [result for result in results if isinstance(result, Kept)]
    pairs = [(dominant[one.row.pair_id], one.row.side) for one in kept]
    scores = iter(components.estimation.estimates(pairs, translated))
    return [
        replace(result, row=replace(result.row, estimates=next(scores))) if isinstance(result, Kept) else result
        for result in results
    ]


def import_pairs(pairs: Sequence[Pair], components: Components) -> list[Kept]:
    """The dominant sides of pairs that somebody else made, measured and given their split; nothing is left out."""
    recipe, sides = components.recipe, [pair.dominant for pair in pairs]
    chosen, rejected = _verdicts_on_pairs(components, pairs, sides)
    measured = _measured(sides, components)
    kept = []
    for pair, values, good, bad in zip(pairs, measured, chosen, rejected, strict=True):
        values = replace(values, chosen_verdict=good.label, rejected_verdict=bad.label)
        row = Row(pair.pair_id, pair.dominant, pair.category, pair.source_id, values)
        kept.append(Kept(split_of(prompt_group(pair.dominant.prompt), recipe), row))
    return kept


def _known_languages(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.dominant, *recipe.languages)
