"""`scripts/composed_answers.py`: training answers put together from our own sentences."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from mpodata.refusals import dense_classifier

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def composed(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return import_module("composed_answers").composed


@pytest.mark.parametrize("language", ["ja", "ko", "zh"])
def test_both_labels_are_composed_over_the_same_topics_without_open_slots(composed, language):
    rows = list(composed(language))
    assert Counter(row.label for row in rows) == {"compliance": 120, "refusal": 150}
    assert not any("{" in row.answer.replace("data={", "").replace("{'text'", "") for row in rows)
    assert len({row.answer for row in rows}) > 200


def test_the_same_answers_are_composed_again(composed):
    assert list(composed("ko")) == list(composed("ko"))


def test_a_language_without_parts_has_none(composed):
    assert list(composed("de")) == []


@pytest.mark.parametrize("language", ["ja", "ko", "zh"])
def test_the_shipped_classifier_was_fitted_on_them(composed, language):
    table = dense_classifier.table()
    right = [
        (table.probability(row.answer, language) > 0.5) == (row.label == "refusal")
        for row in list(composed(language))[::5]
    ]
    assert sum(right) / len(right) >= 0.9
