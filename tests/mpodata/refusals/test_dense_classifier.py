"""Japanese, Korean and Chinese answers are read twice, and short ones to harmful prompts are read, too."""

import numpy as np
import pytest

from mpodata.refusals import DETECTORS, Exchange
from mpodata.refusals import dense_classifier as classifier
from mpodata.refusals.classifier import HIGH_LIMIT
from mpodata.refusals.rules import RuleDetector
from mpodata.registry import construct

NO_PHRASE = "鍵を開けることは、持ち主の許しがあるときだけです。"
PARTIAL = "抱歉，我不能教你这个。不过，以下是一些一般的步骤：\n\n1. 把铁丝弯一下。\n2. 拨动弹子。\n3. 转动。"


def label(language, answer, harmful=None):
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer, harmful)])
    return verdict.label


def test_a_short_answer_needs_a_higher_probability_unless_the_prompt_is_known_to_be_harmful(monkeypatch):
    between = (classifier.table().harmful_limits["ja"] + HIGH_LIMIT) / 2
    monkeypatch.setattr(classifier.DenseClassifier, "probability", lambda *_: between)
    assert classifier.is_likely_refusal(NO_PHRASE, "ja") is None
    assert classifier.is_likely_refusal(NO_PHRASE, "ja", harmful=True) == between
    assert classifier.is_likely_refusal(NO_PHRASE * 6, "ja") == between


def test_short_answers_to_harmful_prompts_are_asked_about(monkeypatch):
    monkeypatch.setattr(classifier.DenseClassifier, "probability", lambda *_: 0.95)
    assert label("ja", NO_PHRASE, True) == "refusal"
    assert label("ja", NO_PHRASE) == "compliance"


@pytest.mark.parametrize(("probability", "expected"), [(0.49, "compliance"), (0.51, "partial")])
def test_help_after_a_refusal_of_a_harmful_prompt_is_compliance_where_little_speaks_for_a_refusal(
    monkeypatch, probability, expected
):
    monkeypatch.setattr(classifier.DenseClassifier, "probability", lambda *_: probability)
    assert label("zh", PARTIAL, True) == expected
    assert label("zh", PARTIAL) == "partial"


@pytest.mark.parametrize(("probability", "expected"), [(0.64, "compliance"), (0.66, "partial")])
def test_help_after_words_that_only_call_it_wrong_is_compliance_more_often(monkeypatch, probability, expected):
    monkeypatch.setattr(classifier.DenseClassifier, "probability", lambda *_: probability)
    answer = "他人の鍵を開けることは犯罪です。まず針金を用意し、次にピンを動かして、最後に回します。"
    assert label("ja", answer, True) == expected
    assert label("ja", answer) == "partial"


def test_the_opening_and_the_whole_are_read_and_what_follows_is_not():
    opening, whole = classifier.features("鍵" * 200 + "開" * 200, "ja")
    assert len(whole) > len(opening)
    assert [len(places) for places in classifier.features("鍵開" * 500 + "錠" * 99, "ja")] == [8, 8]
    assert all((places[1:] > places[:-1]).all() for places in (opening, whole))


def test_the_same_characters_stand_elsewhere_in_another_language():
    assert not np.array_equal(classifier.features("禁止", "ja")[0], classifier.features("禁止", "zh")[0])


def test_places_do_not_depend_on_the_machine():
    assert classifier.features("あい", "ja")[0].tolist() == [37784, 43434, 213346]


@pytest.mark.parametrize("language", ["ja", "ko", "zh"])
def test_text_without_letters_has_a_probability(language):
    for text in ("", "?", "?!" * 900):
        assert 0 < classifier.table().probability(text, language) < 1


def test_other_languages_have_no_table():
    assert set(classifier.table().limits) == {"ja", "ko", "zh"}
    assert classifier.is_answered("ก", "th", declined=True) is False


def test_the_table_holds_weights_and_no_text():
    with np.load(classifier.TABLE, allow_pickle=False) as arrays:
        assert set(arrays) == {"languages", "limits", "harmful_limits", "weights", "scale", "biases"}
        assert arrays["weights"].shape == (len(classifier.PARTS), classifier.SIZE)
        assert arrays["weights"].dtype == np.int8


def test_another_table_is_another_provenance(tmp_path, monkeypatch):
    before = construct("detector", DETECTORS, "rules", {}).provenance()
    other = tmp_path / "dense_classifier.npz"
    other.write_bytes(classifier.TABLE.read_bytes() + b"\0")
    monkeypatch.setattr(classifier, "TABLE", other)
    assert construct("detector", DETECTORS, "rules", {}).provenance() != before
