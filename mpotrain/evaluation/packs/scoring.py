"""Answers that another harness collected, scored as `mpotrain eval --judge rules` scores its own.

An item is one prompt with its answer as a line of JSON: what harnesses hand to the function that makes a task's figure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from mpodata.engines import Answer
from mpodata.records import Kind
from mpotrain.evaluation.benchmarks import Prompt
from mpotrain.evaluation.judges.rules import RulesJudge
from mpotrain.evaluation.metrics import RATES, cells, rates_of
from mpotrain.evaluation.outcomes import outcomes
from mpotrain.evaluation.responses import Response

AMONG: Final = "answers_may_be_in"  # a document's key: the languages among which an answer's is identified


def document(prompt: Prompt, among: Sequence[str]) -> dict[str, Any]:
    """A prompt as a row of a task's data file: what scoring needs, in columns of text."""
    columns = {**asdict(prompt), "expects": json.dumps(list(prompt.expects), ensure_ascii=False)}
    return {**columns, AMONG: " ".join(among)}


def item(doc: Mapping[str, Any], answer: str) -> str:
    """One answered prompt."""
    return json.dumps({**{key: doc[key] for key in (*Prompt.__slots__, AMONG)}, "answer": answer}, ensure_ascii=False)


@lru_cache(maxsize=4)
def figures(items: tuple[str, ...]) -> Mapping[tuple[str, str], float]:
    """(language, figure) -> its value; see `names`. All figures of a task are made of the same items."""
    read = [json.loads(each) for each in items]
    responses = [
        Response(
            Prompt(**{**{name: row[name] for name in Prompt.__slots__}, "expects": tuple(json.loads(row["expects"]))}),
            Answer(row["answer"], "stop"),
        )
        for row in read
    ]
    among = sorted({code for row in read for code in row[AMONG].split()})
    return {
        (cell.language, _name(rate, cell.kind)): interval.value
        for cell in cells(outcomes(responses, RulesJudge(), among, {}))
        for rate, interval in cell.rates.items()
    }


def names(kinds: Sequence[Kind]) -> dict[str, bool]:
    """The figures that prompts of these kinds have -> is more better?"""
    return {_name(rate.name, kind): rate.better == "higher" for kind in kinds for rate in rates_of(kind)}


def _name(rate: str, kind: Kind) -> str:
    """ "asr"; figures that both kinds of prompts have say whose they are: "usable_harmless"."""
    return rate if RATES[rate].kind is not None else f"{rate}_{kind}"
