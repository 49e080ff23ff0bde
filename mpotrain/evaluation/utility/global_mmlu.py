"""Global MMLU (Singh et al. 2024), full and Lite, from the files its authors publish; accuracy on culturally sensitive
(CS) and culturally agnostic (CA) questions stands beside the whole.

The folder is laid out as on the Hub (CohereForAI/Global-MMLU, Global-MMLU-Lite): a folder per language with the files
of the splits, `sw/test-00000-of-00001.parquet` and `sw/dev-00000-of-00001.parquet`, in any format our readers know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from mpodata.errors import DataError
from mpodata.languages.labels import language_code
from mpotrain.evaluation.benchmarks.tables import SUFFIXES
from mpotrain.evaluation.utility.harness import (
    TASKS,
    Asked,
    Result,
    Score,
    choice_doc,
    choice_prompt,
    question_rows,
)

GLOBAL_MMLU: Final = ("global-mmlu", "global-mmlu-lite")
CULTURES: Final = {"CS": "culturally sensitive", "CA": "culturally agnostic"}
LETTERS: Final = frozenset("ABCD")


def prepare(
    task: str, folder: Path, wanted: Sequence[str] | None, limit: int | None, shots: int | None = None
) -> list[Asked]:
    """The questions of each language with its examples; raises DataError where there are none or too few examples."""
    config = yaml.safe_load((TASKS / f"{task}.yaml").read_text(encoding="utf-8"))
    config["shots"] = config["shots"] if shots is None else shots
    languages = folders_by_language(folder)
    asked = [
        Asked(task, code, tuple(_questions(place, code, config)[:limit]), config)
        for code, place in languages.items()
        if not wanted or code in wanted
    ]
    if not asked:
        raise DataError(
            f"{folder}: no {config['title']} in {', '.join(wanted or ('any language',))}; it has "
            f"{', '.join(sorted(languages)) or 'no folder named after a language, as sw'}."
        )
    return asked


def by_culture(scores: Sequence[Score], asked: Sequence[Asked]) -> tuple[list[Score], list[Asked]]:
    """The same scores under `TASK-cs` and `TASK-ca`, with the questions they are of; none where unlabelled."""
    split_scores: list[Score] = []
    split_asked: list[Asked] = []
    for task in asked:
        mine = [score for score in scores if (score.task, score.language) == (task.task, task.language)]
        for label, meaning in CULTURES.items():
            places = [place for place, doc in enumerate(task.docs) if doc["culture"] == label]
            if not places:
                continue
            name = f"{task.task}-{label.lower()}"
            config = {**task.config, "title": f"{task.config['title']}, {meaning} ({label})"}
            split_asked.append(replace(task, task=name, docs=tuple(task.docs[p] for p in places), config=config))
            split_scores += [replace(mine[place], task=name) for place in places]
    return split_scores, split_asked


def notes(results: Sequence[Result]) -> list[str]:
    """Each task's mean over its languages, each language alike, as RefusEU reports it."""
    told = []
    for title in dict.fromkeys(result.title for result in results):
        values = [result.interval.value for result in results if result.title == title]
        told.append(f"{title}: mean over {len(values)} languages {100 * sum(values) / len(values):.1f} %.")
    return told


def folders_by_language(folder: Path) -> dict[str, Path]:
    """code -> its folder: sw, or data/sw."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one folder per language, as on the Hub.")
    places = sorted([*folder.iterdir(), *((folder / "data").iterdir() if (folder / "data").is_dir() else ())])
    named = ((language_code(place.name), place) for place in places if place.is_dir())
    return {code: place for code, place in named if code is not None}


def _questions(place: Path, code: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    title, shots, group = config["title"], int(config["shots"]), str(config["examples_of"])
    examples: dict[str, list[str]] = {}
    for row in _split(place, "dev") if shots else []:
        _check(place, "dev", row)
        examples.setdefault(str(row.get(group)), []).append(f"{choice_prompt(row)} {row['answer']}\n\n")
    docs = []
    for number, row in enumerate(_split(place, "test"), start=1):
        _check(place, "test", row)
        mine = examples.get(str(row.get(group)), [])[:shots]
        if len(mine) < shots:
            raise DataError(
                f"{place}: {shots}-shot {title} in {code} needs {shots} examples of {group} {row.get(group)!r} in its "
                f"dev split, which has {len(mine)}. Complete it, or ask for --shots {len(mine)}."
            )
        docs.append(choice_doc(row, str(row.get("id") or number), mine) | {"culture": str(row.get("culture") or "")})
    if not docs:
        raise DataError(f"{place}: no file of the test split (test-00000-of-00001.parquet, test.csv).")
    return docs


def _split(place: Path, split: str) -> list[dict[str, Any]]:
    """The rows of a split, its files in the order of their names."""
    files = [path for path in sorted(place.iterdir()) if path.suffix in SUFFIXES]
    return [row for path in files if split in re.split(r"[-_.]", path.stem) for row in question_rows(path)]


def _check(place: Path, split: str, row: Mapping[str, Any]) -> None:
    missing = [name for name in ("question", "a", "b", "c", "d", "answer") if row.get(name) is None]
    if missing:
        raise DataError(
            f"{place}: a row of the {split} split has no {missing[0]!r} (question, option_a to _d, answer)."
        )
    if str(row["answer"]).strip() not in LETTERS:
        raise DataError(f"{place}: the answer of a {split} question must be A, B, C or D, got {row['answer']!r}.")
