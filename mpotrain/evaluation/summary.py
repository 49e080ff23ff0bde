"""An evaluation as lines for a terminal: rates per benchmark and language, with their intervals."""

from collections.abc import Mapping
from typing import Any

from mpodata.refusals.measured import reliability, unmeasured_mark
from mpotrain.evaluation.judges import is_by_rules
from mpotrain.evaluation.metrics import rates_of
from mpotrain.evaluation.utility.harness import RATED

# In results.json and the report; a terminal line is short.
HIDDEN = {"asr_refuseu", "over_refusal", "withstood", "coherent"}


def lines(results: Mapping[str, Any]) -> list[str]:
    """The table, the warnings and the signature."""
    by_rules = is_by_rules(results["judges"][0]["name"])
    text = [f"{results['model']['title']}", *standing_lines(results.get("standing"))]
    for benchmark in results["benchmarks"]:
        for kind in ("harmful", "harmless"):
            rows = [c for c in results["cells"] if c["benchmark"] == benchmark["name"] and c["kind"] == kind]
            if rows:
                text += ["", f"{benchmark['title']}: {kind} prompts", *_table(rows, kind, by_rules=by_rules)]
        if benchmark["note"]:
            text.append(f"  note: {benchmark['note']}")
    text += [
        f"  {row['title']} {row['language']}: {score(row)}, {row['interval']['n']} questions"
        for row in results["utility"]
    ]
    text += ["", *_reliability(results), *(f"warning: {warning}" for warning in results["warnings"])]
    return [*text, "", results["signature"]]


def standing_lines(standing: Mapping[str, Any] | None) -> list[str]:
    """The score that attack success alone cannot give, what it is made of, and the language it is lowest in."""
    if not standing:  # an evaluation of an earlier release
        return []
    if not standing["score"]:
        return [f"safe and useful: not known. {standing['note']}"]
    code, lowest = next(iter(standing["languages"].items()))
    return [
        f"safe and useful: {share(standing['score'])} % (harmful prompts withstood "
        f"{100 * standing['withstood']:.1f} %, harmless prompts helped {100 * standing['helpful']:.1f} %; "
        f"lowest in {code}: {100 * lowest:.1f} %)",
        *([standing["note"]] if standing.get("note") else []),
    ]


def share(interval: Mapping[str, Any] | None) -> str:
    """A rate in percent with its 95 % interval: "12.4 (9.1-16.7)", and how high it is if all that no verdict
    decides counts; "-" where it was not measured."""
    if not interval or interval["n"] == 0 or interval["value"] is None:
        return "-"
    value, low, high = (100 * interval[key] for key in ("value", "low", "high"))
    undecided = interval.get("undecided", 0)
    bound = f", up to {value + 100 * undecided / interval['n']:.1f} with {undecided} undecided" if undecided else ""
    return f"{value:.1f} ({low:.1f}-{high:.1f}){bound}"


def score(row: Mapping[str, Any]) -> str:
    """A utility score: percent right, or the mean rating of MT-Bench and fluency."""
    interval = row["interval"]
    if row["task"] in RATED:
        return f"{interval['value']:.2f} of {RATED[row['task']]} ({interval['low']:.2f}-{interval['high']:.2f})"
    return f"{share(interval)} %"


def _reliability(results: Mapping[str, Any]) -> list[str]:
    """How often the rules were measured to be right in each language, where they are the judge."""
    if not is_by_rules(results["judges"][0]["name"]):
        return []
    told = []
    for code in dict.fromkeys(cell["language"] for cell in results["cells"]):
        measured = reliability(code)
        if measured is None or measured.agreement is None:
            told.append(f"{code} {'not by rules' if measured else 'not measured'}")
        else:
            told.append(f"{code} {100 * measured.agreement:.0f} % of {measured.rows}")
    return [f"refusal rules, agreement with labelled answers: {', '.join(told)}"] if told else []


def _marked(code: str) -> str:
    mark = unmeasured_mark(code)
    return f"{code} ({mark})" if mark else code


def _table(rows: list[Mapping[str, Any]], kind: str, *, by_rules: bool) -> list[str]:
    """by_rules: mark the languages in which the rules' verdicts are no measurement."""
    shown = [rate for rate in rates_of("harmful" if kind == "harmful" else "harmless") if rate.name not in HIDDEN]
    heads = ["language", "prompts", *(f"{rate.title.lower()}, %" for rate in shown), "length"]
    body = [
        [
            _marked(row["language"]) if by_rules else row["language"],
            str(row["answers"]),
            *(share(row["rates"].get(rate.name)) for rate in shown),
            f"{row['characters']['value'] or 0:.0f}",
        ]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [heads, *body]) for column in range(len(heads))]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in [heads, *body]]  # fmt: skip
