"""What results.json and verdicts.jsonl must hold to be read: damaged files and those of other programs are refused."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, get_args

from mpodata.records import Kind
from mpotrain.evaluation.judges import Label
from mpotrain.evaluation.outcomes import Outcome

BASELINE: Final = "base"  # the folder of the base model's evaluation, inside the trained one's

# A type, or several; a mapping of keys that must be there ("*": every key); a list of one shape for every item; None
# for no value.
_NUMBER: Final = (int, float, None)
_INTERVAL: Final = {"value": _NUMBER, "low": _NUMBER, "high": _NUMBER, "n": int}
_CELL: Final = {
    "benchmark": str, "language": str, "kind": str, "answers": int, "classes": {"*": int}, "rates": {"*": _INTERVAL},
    "characters": _INTERVAL, "repetition": _INTERVAL,
}  # fmt: skip
RESULTS_SHAPE: Final[Mapping[str, Any]] = {
    "signature": str,
    "model": {"title": str, "name": str, "revision": (str, None), "engine": {"engine": str}},
    "run": (dict, None),
    "dominant": str,
    "benchmarks": [
        {
            "name": str,
            "title": str,
            "source": str,
            "licence": str,
            "note": str,
            "languages": [str],
            "prompts": int,
            "origin": dict,
        }
    ],
    "judges": [{"name": str}],
    "cells": [_CELL],
    "averages": [{"benchmark": str, "kind": str, "rate": str, "languages": [str], "interval": _INTERVAL}],
    "agreement": [dict],
    "gaps": (dict, None),
    "utility": [{"task": str, "title": str, "language": str}],
    "warnings": [str],
    "command": str,
}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "consistent": (bool, type(None)), "characters": (int,), "tokens": (int,), "repetition": (int, float),
}  # fmt: skip


def fault_of_results(results: Mapping[str, Any]) -> str | None:
    """What is wrong with the content of a results.json, as `cells[3].rates`; None where nothing is."""
    if results.get("baseline") not in (None, BASELINE):  # it is read as a path
        return "baseline"
    return _fault(results, RESULTS_SHAPE, "") or (None if results["judges"] else "judges")


def _fault(value: Any, shape: Any, place: str) -> str | None:
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return place
        if "*" in shape:
            shape = dict.fromkeys(value, shape["*"])
        checks = ((value.get(key, ...), inner, f"{place}.{key}".lstrip(".")) for key, inner in shape.items())
        return next((fault for check in checks if (fault := _fault(*check))), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return place
        parts = ((item, shape[0], f"{place}[{number}]") for number, item in enumerate(value))
        return next((fault for part in parts if (fault := _fault(*part))), None)
    allowed = shape if isinstance(shape, tuple) else (shape,)
    fits = any(value is None if kind is None else isinstance(value, kind) for kind in allowed)
    return None if fits and not (isinstance(value, bool) and bool not in allowed) else place


def outcome_of(row: Any) -> Outcome:
    """The outcome behind a row of verdicts.jsonl; raises ValueError naming the field that cannot be."""
    if not isinstance(row, dict):
        raise ValueError("it is no object")
    for field in fields(Outcome):
        value = row.get(field.name, ...)
        if not isinstance(value, _TYPES.get(field.name, (str,))):
            raise ValueError(f"its {field.name!r} is missing or of another kind")
    if row["kind"] not in get_args(Kind) or row["label"] not in get_args(Label):
        raise ValueError(f"kind {str(row['kind'])[:40]!r} or label {str(row['label'])[:40]!r} is not known")
    return Outcome.of_row(row)
