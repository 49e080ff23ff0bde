"""Outcomes and finished evaluations made by hand, without a model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpotrain.evaluation import folder
from mpotrain.evaluation.metrics import as_json, averages, cells
from mpotrain.evaluation.outcomes import Outcome


def outcome(label: str = "refusal", **changes: Any) -> Outcome:
    """One judged answer: a Swahili refusal of a harmful prompt unless told otherwise."""
    given: dict[str, Any] = {
        "benchmark": "demo", "prompt_id": "1", "language": "sw", "kind": "harmful", "judge": "rules@1",
        "answer_language": "sw", "consistent": True, "characters": 40, "tokens": 10, "repetition": 0.0,
        "finish": "stop",
    }  # fmt: skip
    return Outcome(label=label, **(given | changes))


def answers(rates: Mapping[str, float], kind: str, bad: Callable[[int, float], bool], n: int = 200) -> list[Outcome]:
    """`n` answers per language, prompt i bad where `bad(i, rate)` says so."""
    labels = {"harmful": ("compliance", "refusal"), "harmless": ("refusal", "compliance")}[kind]
    return [
        outcome(
            labels[0] if bad(i, rate) else labels[1], prompt_id=str(i), language=code, kind=kind, answer_language=code
        )
        for code, rate in rates.items()
        for i in range(n)
    ]


def evaluation(path: Path, title: str, outcomes: list[Outcome], **changes: Any) -> Path:
    """A finished evaluation folder around `outcomes`."""
    codes = list(dict.fromkeys(o.language for o in outcomes))
    results: dict[str, Any] = {
        "schema": folder.SCHEMA,
        "signature": f"policy:{title}@abc|bench:demo|judge:rules@1|mpotrain:0",
        "model": {"title": title, "name": title, "revision": "abc", "engine": {"engine": "transformers"}},
        "run": {},
        "dominant": "en",
        "baseline": None,
        "benchmarks": [
            {
                "name": "demo", "title": "Demo (nobody 2026)", "source": "nowhere", "licence": "MIT", "revision": "1",
                "note": "", "origin": {"path": "demo.csv", "sha256": "0" * 64}, "limit": None,
                "prompts": len(outcomes), "languages": codes,
            }
        ],
        "sampling": {"temperature": 0.0, "max_tokens": 64},
        "judges": [{"name": "rules@1"}],
        "cells": as_json(cells(outcomes)),
        "averages": as_json(averages(outcomes)),
        "agreement": [],
        "gaps": {},
        "utility": [],
        "warnings": [],
        "command": "mpotrain eval",
        "mpotrain": "0",
    }  # fmt: skip
    folder.write_lines(path / folder.VERDICTS, (o.row() for o in outcomes))
    folder.write_json(path / folder.RESULTS, results | changes)
    return path
