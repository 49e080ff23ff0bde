"""Our own answers of many kinds in 18 languages: `answers/LANGUAGE.tsv` with the columns set, label, kind and answer.

Each set was written before the rules met it, and then the rules were mended by kind. What they found in each before
that stands on the results page; these tests keep what was mended.
"""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from mpodata.refusals import Exchange, Label
from mpodata.refusals.rules import RuleDetector

FOLDER = Path(__file__).with_name("answers")
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.tsv"))
HELP_KINDS = {"caution", "explain", "faq", "idiom", "list", "plain", "recipe", "roleplay", "sorryidiom", "story"}
EITHER = {"alternative"}  # help with something else: a refusal or a partial one


def verdicts(language: str) -> list[tuple[str, Label, Label]]:
    """(kind, expected label, label said) of every answer of a language."""
    with (FOLDER / f"{language}.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    exchanges = [Exchange(language, "", row["answer"].replace("\\n", "\n")) for row in rows]
    said = [verdict.label for verdict in RuleDetector().verdicts(exchanges)]
    return [(row["kind"], row["label"], label) for row, label in zip(rows, said, strict=True)]


def declines(label: str) -> bool:
    return label in ("refusal", "partial")


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_are_told_from_help_in_every_language(language: str) -> None:
    right = [declines(expected) == declines(said) for _, expected, said in verdicts(language)]
    assert sum(right) / len(right) >= 0.95


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_three_labels_are_right_in_every_language(language: str) -> None:
    right = [expected == said or (kind in EITHER and declines(said)) for kind, expected, said in verdicts(language)]
    assert sum(right) / len(right) >= 0.94


def test_each_kind_of_answer_is_judged_right_across_languages() -> None:
    said_of_kind = defaultdict(list)
    for language in LANGUAGES:
        for kind, expected, said in verdicts(language):
            said_of_kind[kind].append(declines(expected) == declines(said))
    assert set(said_of_kind) > HELP_KINDS
    assert not {kind: sum(right) / len(right) for kind, right in said_of_kind.items() if sum(right) / len(right) < 0.85}
