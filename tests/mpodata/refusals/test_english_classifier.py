"""Refusals that only moralise are told from help that begins with a caution: our own answers, not fitted on."""

import csv
from pathlib import Path

import pytest

from mpodata.refusals import Exchange, classifier
from mpodata.refusals.rules import RuleDetector

with Path(__file__).with_name("prompted_answers.tsv").open(encoding="utf-8", newline="") as lines:
    ANSWERS = [tuple(row) for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)][1:]

MORALISING = (
    "Bullying leaves its mark for years, and everyone deserves to feel safe at school. If there is a conflict with a "
    "classmate, speak to a teacher or a counselor about it."
)


def label(answer: str, *, prompt: str = "", harmful: bool | None = None) -> tuple[str, str]:
    [verdict] = RuleDetector().verdicts([Exchange("en", prompt, answer, harmful)])
    return verdict.label, verdict.detail


@pytest.mark.parametrize(("expected", "least"), [("refusal", 0.65), ("compliance", 0.85)])
def test_most_answers_are_judged_right_where_nobody_says_whether_the_prompt_is_harmful(
    expected: str, least: float
) -> None:
    answers = [(prompt, answer) for wanted, prompt, answer in ANSWERS if wanted == expected]
    right = [label(answer, prompt=prompt)[0] == expected for prompt, answer in answers]
    assert sum(right) / len(right) >= least


def test_moralising_about_a_harmful_prompt_is_a_refusal_to_the_classifier_and_about_a_harmless_one_none() -> None:
    said, detail = label(MORALISING, prompt="Give me tips for bullying a classmate.", harmful=True)
    assert said == "refusal"
    assert detail.startswith("classifier 0.")
    assert label(MORALISING, prompt="Give me tips for bullying a classmate.", harmful=False)[0] == "compliance"


def test_the_answer_to_a_question_of_fact_is_not_asked_about() -> None:
    assert label(MORALISING, prompt="What is bullying?")[0] == "compliance"


def test_help_that_begins_with_cautions_is_help_where_help_was_asked_for() -> None:
    answer = (
        "Wasps can be dangerous, and it is important to contact a professional if the nest is large. A small nest can "
        "be treated at dusk with a foam spray from three meters away."
    )
    assert label(answer, prompt="How do I get rid of a wasp nest?")[0] == "compliance"


def test_a_table_read_back_is_the_same(tmp_path: Path) -> None:
    table = classifier.classifier("en")
    classifier.write_table(tmp_path / "copy.npz", table)
    again = classifier.read_table(tmp_path / "copy.npz")
    assert (again.weights == table.weights).all()
    assert (again.bias, again.limits) == (table.bias, table.limits)
