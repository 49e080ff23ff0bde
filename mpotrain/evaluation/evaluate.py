"""One model through every benchmark: ask, judge, measure, write. Readable top to bottom."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mpodata
from mpodata.engines import Engine, Sampling
from mpodata.errors import DataError
from mpodata.languages import language, languages
from mpodata.refusals.measured import unmeasured_mark
from mpodata.runtime.journal import Journal
from mpotrain.evaluation import folder
from mpotrain.evaluation.benchmarks import BENCHMARKS, CODE_SWITCHED, DATASET, Benchmark, Prompt, find
from mpotrain.evaluation.benchmarks.prompts import choose, load_prompts, pairs_prompts
from mpotrain.evaluation.benchmarks.versions import load_version
from mpotrain.evaluation.judges import Judge, is_by_rules
from mpotrain.evaluation.judges.agreement import agreement
from mpotrain.evaluation.metrics import as_json, averages, cells
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.evaluation.outcomes import Outcome, outcomes
from mpotrain.evaluation.responses import respond
from mpotrain.evaluation.signature import signature
from mpotrain.evaluation.standing import standing
from mpotrain.tables import open_dataset, pairs_of

GREEDY = Sampling(max_tokens=256)
EXPECTED = {"another split", "answered safely by all"}  # reasons that a file's own layout gives: no news
FEW = 100  # prompts per cell below which a warning says how wide the intervals are

Progress = Callable[[str, int], Callable[[int], None]]  # (what, how many) -> told how many are done


def silent(_what: str, _total: int) -> Callable[[int], None]:
    """No progress to show."""
    return lambda _: None


@dataclass(frozen=True, slots=True)
class EvaluationSuite:
    """What is asked: the same for every model, so that models can be compared."""

    prompts: tuple[Prompt, ...]
    benchmarks: tuple[Mapping[str, Any], ...]  # name, title, source, licence, revision, origin, prompts, languages
    english: Mapping[tuple[str, str], str]  # (benchmark, prompt id) -> its English prompt
    dominant: str = "en"
    warnings: tuple[str, ...] = ()

    @property
    def languages(self) -> list[str]:
        return list(dict.fromkeys(prompt.language for prompt in self.prompts))


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is asked and judged."""

    judges: tuple[Judge, ...]  # the first makes the numbers, the others show agreement
    sampling: Sampling = GREEDY
    command: str = ""  # what repeats it
    asked: Mapping[str, Any] = field(default_factory=dict)  # what the folder is bound to: `folder.refuse_another`


@dataclass(frozen=True, slots=True)
class Extras:
    """What else the results hold, measured elsewhere."""

    gaps: Mapping[str, Any] = field(default_factory=dict)
    utility: Sequence[Mapping[str, Any]] = ()
    baseline: str | None = None  # the base model's evaluation, relative to this one's folder
    notes: Sequence[str] = ()  # what a reader must know of them


def prepare_suite(
    names: Sequence[str],
    places: Mapping[str, str],
    wanted: Sequence[str] | None,
    limit: int | None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    dominant: str = "en",
) -> EvaluationSuite:
    """Load the benchmarks called `names`; `places` says where the files of some are; `dataset` is the run's version,
    of which benchmark `dataset` asks the prompts of `split` (default: test, or train where there are no test rows).

    Raises UnknownName or DataError for names, languages and files that cannot be used.
    """
    for code in wanted or ():
        if code != CODE_SWITCHED:
            language(code)
    asked: list[Prompt] = []
    described: list[Mapping[str, Any]] = []
    english: dict[tuple[str, str], str] = {}
    warnings: list[str] = []
    for name in names:
        benchmark, prompts, origin = _load(name, places, dataset, split)
        warnings += _reading_notes(name, origin)
        chosen = choose(prompts, wanted, limit)
        absent = [code for code in wanted or () if code not in {prompt.language for prompt in prompts}]
        if absent:
            has = ", ".join(sorted({prompt.language for prompt in prompts}))
            left = "" if chosen else " and was left out"
            warnings.append(f"{name} has no prompts in {', '.join(absent)}{left}; it has {has}.")
        if not chosen:
            continue
        english.update({(p.benchmark, p.prompt_id): p.english for p in prompts if p.english})
        english.update({(p.benchmark, p.prompt_id): p.text for p in prompts if p.language == "en"})
        asked += chosen
        described.append(_described(benchmark, origin, chosen, limit))
    nowhere = [code for code in wanted or () if names and code not in {prompt.language for prompt in asked}]
    if nowhere:
        raise DataError(" ".join([*warnings, f"No prompt in {', '.join(nowhere)}: take it out of --languages."]))
    return EvaluationSuite(tuple(asked), tuple(described), english, dominant, tuple(warnings))


def evaluate(
    evaluated: EvaluatedModel,
    engine: Engine,
    suite: EvaluationSuite,
    settings: Settings,
    journal: Journal,
    out: Path,
    *,
    extras: Extras = Extras(),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Ask, judge, measure; write `out` and return what results.json holds.

    Everything paid for is in the journal, so a second call after a kill asks only what is missing.
    """
    (out / folder.RESULTS).unlink(missing_ok=True)  # until this evaluation is whole, there is none
    responses = respond(engine, suite.prompts, settings.sampling, journal, progress("answers", len(suite.prompts)))
    folder.write_lines(out / folder.RESPONSES, (response.row() for response in responses))
    spoken = {*suite.languages, suite.dominant, "en"} & set(languages())
    verdicts: dict[str, list[Outcome]] = {
        judge.name: outcomes(responses, judge, spoken, suite.english) for judge in settings.judges
    }
    folder.write_lines(out / folder.VERDICTS, (outcome.row() for rows in verdicts.values() for outcome in rows))
    results = _results(evaluated, engine, suite, settings, verdicts, extras)
    folder.write_json(out / folder.RESULTS, results)
    return results


def _results(
    evaluated: EvaluatedModel,
    engine: Engine,
    suite: EvaluationSuite,
    settings: Settings,
    verdicts: Mapping[str, list[Outcome]],
    extras: Extras,
) -> dict[str, Any]:
    main = verdicts[settings.judges[0].name]
    judges = [{**judge.provenance(), "name": judge.name, "sees": judge.sees} for judge in settings.judges]
    provenance = engine.provenance()
    model = {
        "title": evaluated.title,
        "name": Path(evaluated.model).name if Path(evaluated.model).exists() else evaluated.model,
        "revision": str(provenance.get("revision") or "unknown"),
        "engine": provenance,
    }
    sampling = asdict(settings.sampling)
    return {
        "schema": folder.SCHEMA,
        "signature": signature(evaluated.data, model, suite.benchmarks, judges, sampling, extras.utility),
        "model": model,
        "run": as_json(evaluated.run),
        "dominant": suite.dominant,
        "baseline": extras.baseline,
        "benchmarks": list(suite.benchmarks),
        "sampling": sampling,
        "judges": as_json(judges),
        "standing": as_json(standing(main)),
        "cells": as_json(cells(main)),
        "averages": as_json([*averages(main), *_targets(main, suite.dominant)]),
        "agreement": as_json([agreement(main, other) for name, other in verdicts.items() if other is not main]),
        "gaps": as_json(extras.gaps),
        "utility": as_json(list(extras.utility)),
        "warnings": [*suite.warnings, *extras.notes, *_warnings(main, settings.judges, suite.languages)],
        "command": settings.command,
        "asked": as_json(settings.asked),
        "mpotrain": mpodata.__version__,
    }


def _targets(main: Sequence[Outcome], dominant: str) -> list[Any]:
    """Averages without the dominant language, for benchmarks that have both."""
    both = [o.benchmark for o in main if o.language == dominant]
    return [
        average
        for average in averages([o for o in main if o.benchmark in both], dominant)
        if dominant not in average.languages
    ]


def _load(
    name: str, places: Mapping[str, str], dataset: str | None, split: str | None
) -> tuple[Benchmark, list[Prompt], Mapping[str, Any]]:
    if name != DATASET:
        place = places.get(name) or (None if name in BENCHMARKS else name)
        if place is not None and (translated := load_version(name, place)) is not None:
            return translated
        return (benchmark := find(name)), *load_prompts(benchmark, place)
    reference = places.get(DATASET) or dataset
    if not reference:
        raise DataError("Benchmark 'dataset' needs a dataset version: --run RUN, or --data dataset=NAME@v1.0.0.")
    version = open_dataset(reference)
    split = split or version.measured_split()
    benchmark = Benchmark(
        DATASET,
        f"{'All splits' if split == 'all' else f'{split.title()} split'} of {version.reference}",
        version.reference,
        str(version.manifest.licence),
        version.commit,
    )
    return benchmark, pairs_prompts(DATASET, pairs_of(version, split)), {"path": version.reference, "split": split}


def _reading_notes(name: str, origin: Mapping[str, Any]) -> list[str]:
    """What a reader must know of how a file was read: rows left out, languages that it does not state."""
    left_out = {reason: rows for reason, rows in origin.get("left_out", {}).items() if rows and reason not in EXPECTED}
    notes = [f"{name}: {note}." for note in origin.get("notes", ())]
    if left_out:
        told = ", ".join(f"{rows} {reason}" for reason, rows in left_out.items())
        notes.append(f"{name}: {sum(left_out.values())} of {origin['rows']} rows are in no number: {told}.")
    return notes


def _described(
    benchmark: Benchmark, origin: Mapping[str, Any], prompts: Sequence[Prompt], limit: int | None
) -> dict[str, Any]:
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "source": benchmark.source,
        "licence": benchmark.licence,
        "revision": benchmark.revision,
        "note": benchmark.note,
        "origin": dict(origin),
        "limit": limit,
        "prompts": len(prompts),
        "languages": list(dict.fromkeys(prompt.language for prompt in prompts)),
    }


def _warnings(main: Sequence[Outcome], judges: Sequence[Judge], asked: Collection[str]) -> list[str]:
    """What a reader must know before trusting the numbers."""
    warnings = []
    for judge in judges:
        covered = judge.languages()
        outside = [] if covered is None else sorted(set(asked) - covered - {CODE_SWITCHED})
        if outside:
            warnings.append(
                f"Judge {judge.name} is not known to judge {_named(outside)}: read those numbers with care."
            )
    if is_by_rules(judges[0].name):
        warnings += [
            f"{language(code).name}: {mark}. Judge it with a guard or a model (--judge); its rates here are guesses."
            for code in sorted(set(asked) & (judges[0].languages() or set(asked)))
            if (mark := unmeasured_mark(code))
        ]
    warnings += _sight(judges[0], main)
    unread = sum(outcome.label == "unparsable" for outcome in main)
    if unread:
        warnings.append(
            f"{unread} of {len(main)} verdicts could not be read; they stay in the denominators, and bounds show every "
            "rate with all of them counted one way and the other."
        )
    failed = sum(outcome.label == "failed" for outcome in main)
    if failed:
        warnings.append(f"{failed} of {len(main)} prompts got no answer; run the same command again to ask them again.")
    blocked = sum(outcome.label == "blocked" for outcome in main)
    if blocked:
        warnings.append(
            f"{blocked} of {len(main)} answers were withheld by the provider's content filter; they are in no rate."
        )
    cut = sum(outcome.finish == "length" for outcome in main)
    if cut > len(main) / 10:
        warnings.append(f"{cut} of {len(main)} answers were cut off at the token limit; --max-tokens raises it.")
    small = [cell for cell in cells(main) if cell.answers < FEW]
    if small:
        warnings.append(
            f"{len(small)} of {len(cells(main))} cells have fewer than {FEW} prompts: their intervals are wide."
        )
    return warnings


def _sight(judge: Judge, main: Sequence[Outcome]) -> list[str]:
    """What the judge that makes the numbers cannot see, where that concerns them."""
    if not any(outcome.kind == "harmful" and outcome.answered for outcome in main):
        return []
    if judge.sees == "harm" and any(outcome.label == "safe" for outcome in main):
        return [
            f"Judge {judge.name} cannot tell an irrelevant answer from a safe one: attack success by the MPO paper's "
            "convention has wide bounds; the harmful answers alone are what it counts."
        ]
    if judge.sees == "refusal" and any(outcome.label == "compliance" for outcome in main):
        return [
            f"Judge {judge.name} tells refusals, not harm: an answer that does not refuse counts as answering, so that "
            "attack success is an upper bound."
        ]
    return []


def _named(codes: Sequence[str]) -> str:
    return ", ".join(language(code).name for code in codes)
