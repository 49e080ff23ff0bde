"""The report's figures beyond rates: safety against helpfulness, reward gaps, states of safe and unsafe responses."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mpotrain.evaluation import folder
from mpotrain.evaluation.folder import Evaluation
from mpotrain.evaluation.report import plots
from mpotrain.evaluation.report.comparison import Comparison, benchmarks, cells, interval, series, short_title
from mpotrain.evaluation.report.pca import plane, separation
from mpotrain.evaluation.report.words import name_of
from mpotrain.evaluation.states import States, read_states
from mpotrain.evaluation.statistics import Interval, correlation_test, pearson, spearman


def tradeoff(comparison: Comparison) -> list[tuple[str, str]]:
    """Safety against helpfulness, (title, SVG) per benchmark of harmful prompts.

    Helpfulness is that on the same benchmark, else on the first one that has harmless prompts.
    """
    drawings = []
    titles = {benchmark["name"]: short_title(benchmark) for benchmark in benchmarks(comparison)}
    harmless = [name for name in titles if any(cells(run, name, "harmless") for run in comparison.shown)]
    for name in titles:
        other = name if name in harmless else next(iter(harmless), None)
        if other is None:
            continue
        safe = series(comparison, name, "harmful", lambda cell: _complement(cell.rates["asr"]))
        helpful = series(comparison, other, "harmless", lambda cell: cell.rates["helpful"])
        if {code for one in safe for code in one.values} & {code for one in helpful for code in one.values}:
            title = titles[name] if name == other else f"{titles[name]}, helpfulness on {titles[other]}"
            axes = ("harmful prompts withstood (1 − attack success)", "harmless prompts answered helpfully")
            drawings.append((title, plots.moves(f"Safety and helpfulness on {title}", safe, helpful, axes)))
    return drawings


def reward_gaps(comparison: Comparison) -> list[tuple[str, str]]:
    """The reward gap per language, the dominant one's gap in the base (what MPO aims at) as the reference line."""
    per_token, dpo = (
        [
            plots.Series(title, {name_of(code): gap for code, gap in _gaps(evaluation, form, comparison.dominant)})
            for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True)
        ]
        for form in ("per_token", "dpo")
    )
    panels = []
    if any(one.values for one in per_token):
        goal = per_token[0].values.get(name_of(comparison.dominant))
        caption = "nats per token, chosen − rejected"
        caption += f"; dashed: {name_of(comparison.dominant)} in {per_token[0].label}" if goal else ""
        line = goal.value if goal else None
        panels.append((caption, plots.forest("Reward gap", per_token, percent=False, reference=line)))
    if any(one.values for one in dpo):
        beta = comparison.runs[0].results["gaps"].get("beta")
        panels.append((f"DPO form, β = {beta}: what training changed", plots.forest("DPO gap", dpo, percent=False)))
    return panels


def measured_pairs(comparison: Comparison) -> str:
    """Which pairs gave the reward gaps and states, for a caption."""
    gaps = [evaluation.results.get("gaps") or {} for evaluation in comparison.shown]
    splits = dict.fromkeys(str(record["data"]["split"]) for record in gaps if record.get("data"))
    words = {
        "test": "the held-out pairs (test split)",
        "train": "the pairs of the train split, which training may have seen",
        "all": "the pairs of all splits, which training may have seen",
    }
    return " and ".join(words.get(split, f"the pairs of the {split} split") for split in splits) or "the held-out pairs"


@dataclass(frozen=True, slots=True)
class GapAgainstRate:
    """Do languages with a larger reward gap have a lower attack success rate? (Zhao et al. 2025, Table 1)"""

    run: str
    benchmark: str
    languages: int
    spearman: float
    pearson: float
    p: float  # permutation test of Spearman's


def gap_against_rate(comparison: Comparison) -> list[GapAgainstRate]:
    """One correlation per model and benchmark with at least three languages."""
    correlations = []
    for title, evaluation in zip(comparison.titles(), comparison.shown, strict=True):
        gaps = dict(_gaps(evaluation, "per_token", comparison.dominant))
        for benchmark in benchmarks(comparison):
            rates = {cell.language: cell.rates["asr"].value for cell in cells(evaluation, benchmark["name"], "harmful")}
            codes = [code for code in gaps if code in rates]
            if len(codes) >= 3:
                x, y = [gaps[code].value for code in codes], [rates[code] for code in codes]
                correlations.append(
                    GapAgainstRate(
                        title, short_title(benchmark), len(codes), spearman(x, y), pearson(x, y), correlation_test(x, y)
                    )
                )
    return correlations


def state_clouds(comparison: Comparison) -> list[tuple[str, list[tuple[str, str]]]]:
    """Last-layer states of responses on common axes (the paper's Figure 5): language -> (caption, SVG) per model."""
    kept = [read_states(evaluation.path / folder.STATES) for evaluation in comparison.shown]
    return clouds(dict(zip(comparison.titles(), kept, strict=True)), comparison.dominant)


def clouds(states: Mapping[str, States], first: str = "en") -> list[tuple[str, list[tuple[str, str]]]]:
    """Model -> its states, drawn on common axes: language (`first` first) -> (caption, SVG) per model.

    Empty where nothing was measured, or where models differ in width and so share no axes.
    """
    arrays = [array for one in states.values() for array in one.values()]
    if len({array.shape[1] for array in arrays}) != 1:
        return []
    fitted = plane(arrays)
    placed = {title: {name: fitted(array) for name, array in one.items()} for title, one in states.items()}
    every = np.concatenate([points for one in placed.values() for points in one.values()])
    (left, bottom), (right, top) = every.min(axis=0), every.max(axis=0)
    bounds = (float(left), float(right), float(bottom), float(top))
    codes = sorted({name.split("/")[0] for one in placed.values() for name in one}, key=lambda code: code != first)
    rows = []
    for code in codes:
        panels = []
        for title, one in placed.items():
            safe, unsafe = one.get(f"{code}/safe"), one.get(f"{code}/unsafe")
            if safe is not None and unsafe is not None:
                drawn = plots.cloud(f"States of responses, {name_of(code)}, {title}", safe, unsafe, bounds)
                panels.append((f"{title}, separation {separation(safe, unsafe):.1f}", drawn))
        rows.append((name_of(code), panels))
    return rows


def _gaps(evaluation: Evaluation, form: str, first: str) -> list[tuple[str, Interval]]:
    """(language, reward gap), the language `first` first; `form` is "per_token" or "dpo"."""
    rows = (evaluation.results.get("gaps") or {}).get("languages", {})
    measured = [(code, interval(row[form])) for code, row in rows.items() if row.get(form)]
    return sorted(measured, key=lambda item: item[0] != first)


def _complement(rate: Interval) -> Interval:
    return Interval(1 - rate.value, 1 - rate.high, 1 - rate.low, rate.n, rate.method)
