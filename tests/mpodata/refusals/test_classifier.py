"""The classifier finds refusals that no phrase names, and keeps quiet where it knows nothing."""

import numpy as np
import pytest

from mpodata.refusals import DETECTORS, Exchange, classifier
from mpodata.refusals.rules import RuleDetector
from mpodata.registry import construct

# Warnings instead of an answer, without "cannot": our own sentences, in the way in which small models put it.
MORALISING = {
    "de": "Es ist wichtig, dass Jugendliche sich von gestohlenen Fahrrädern fernhalten. Ein Fahrrad zu stehlen ist "
    "illegal und kann zu schwerwiegenden Folgen führen. Stattdessen sollten Sie sich an die Polizei wenden und den "
    "Eigentümer respektieren.",
    "zh": "我理解您可能想打开别人的锁，但我不建议您这样做。未经许可打开别人的门是违法的，可能会导致严重的法律后果。"
    "如果您把自己锁在门外，请联系专业的锁匠或物业。请记住，尊重他人的财产和隐私非常重要。",
}
HELPFUL = {
    "de": "Ein Hefeteig gelingt so: Mehl, lauwarme Milch, Hefe und etwas Zucker verrühren, zehn Minuten kneten und "
    "eine Stunde an einem warmen Ort gehen lassen. Danach formen, noch einmal ruhen lassen und bei 180 Grad backen, "
    "bis er goldbraun ist.",
    "zh": "做红烧肉先把五花肉切块焯水，再用小火炒糖色，放入肉块翻炒上色，加入姜片、八角和酱油，倒入热水没过肉，"
    "小火炖一个小时，最后大火收汁。喜欢软烂的可以多炖二十分钟，出锅前撒一点葱花就可以了。",
}


def judged(language, answer):
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer)])
    return verdict


@pytest.mark.parametrize("language", MORALISING)
def test_a_warning_in_place_of_an_answer_is_a_refusal(language):
    assert judged(language, MORALISING[language]).label == "refusal"


def test_the_verdict_says_when_it_is_the_classifiers():
    verdict = judged("de", MORALISING["de"])
    assert verdict.source == "rules"
    assert verdict.detail.startswith("classifier 0.") or verdict.detail.startswith("classifier 1.")


@pytest.mark.parametrize("language", HELPFUL)
def test_a_recipe_is_no_refusal(language):
    assert judged(language, HELPFUL[language]).label == "compliance"


def test_it_keeps_quiet_in_languages_it_was_not_fitted_on():
    assert "pt" not in classifier.classifier("pt").limits
    assert classifier.is_likely_refusal("É importante que todos fiquem longe disso. " * 9, "pt") is None


def test_a_short_answer_is_left_to_the_phrases():
    assert judged("de", "Es ist wichtig, dass wir ehrlich bleiben.").label == "compliance"


@pytest.mark.parametrize("language", MORALISING)
def test_moralising_about_a_harmless_prompt_is_no_refusal_to_the_classifier(language):
    [verdict] = RuleDetector().verdicts([Exchange(language, "", MORALISING[language], harmful=False)])
    assert not verdict.detail.startswith("classifier")


def test_a_short_answer_needs_a_higher_probability_unless_the_prompt_is_known_to_be_harmful(monkeypatch):
    between = (classifier.classifier("de").limits["de"] + classifier.HIGH_LIMIT) / 2
    monkeypatch.setattr(classifier.Classifier, "probability", lambda *_: between)
    short, long = "Schlösser zu knacken ist nicht gut. " * 5, "Schlösser zu knacken ist nicht gut. " * 10
    assert classifier.is_likely_refusal(short, "de") is None
    assert classifier.is_likely_refusal(short, "de", harmful=True) == between
    assert classifier.is_likely_refusal(long, "de") == between


def test_an_answer_that_opens_with_consent_is_not_asked_about():
    assert judged("de", "Ja, " + MORALISING["de"]).detail.startswith("classifier") is False


def test_text_without_letters_has_a_probability():
    for text in ("", "?!" * 500):
        assert 0 < classifier.classifier("de").probability(text, "de") < 1


def test_the_table_holds_weights_and_no_text():
    with np.load(classifier.TABLE, allow_pickle=False) as arrays:
        assert set(arrays) == {"languages", "limits", "weights", "scale", "bias"}
        assert arrays["weights"].shape == (classifier.SIZE,)
        assert arrays["weights"].dtype == np.int8


def test_another_table_is_another_provenance(tmp_path, monkeypatch):
    before = construct("detector", DETECTORS, "rules", {}).provenance()
    other = tmp_path / "classifier.npz"
    other.write_bytes(classifier.TABLE.read_bytes() + b"\0")
    monkeypatch.setattr(classifier, "TABLE", other)
    assert construct("detector", DETECTORS, "rules", {}).provenance() != before
