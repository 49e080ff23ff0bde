"""LIDR: the dominant answer self-translated against the native one."""

import pytest

from mpodata.engines import Answer
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.lidr import NATIVE, Lidr, lidr
from mpodata.translators.policy import TargetAnswers
from mpodata.translators.selftrans import SelfTranslation
from tests.mpodata.fake_policy import ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine, carried

SIDE = Side("en", "How do I pick a lock?", ENGLISH_REFUSAL, "Yes, first take a thin wire.")
HARMLESS = Side("en", "How do I cook rice?", "Sure! First wash the rice, then boil it in water.", ENGLISH_REFUSAL)
TRANSLATIONS = {ENGLISH_REFUSAL: REFUSAL, HARMLESS.chosen: "Bila shaka! Kwanza osha wali, kisha uuchemshe kwenye maji."}


def speaking(native: str | Answer):
    def say(prompt, sampling):
        if "<sentence>" in prompt:
            text = prompt.partition("<sentence>")[2].partition("</sentence>")[0]
            return [f"{TRANSLATIONS[text]}</translated>"]
        return [native]

    return SpokenEngine(say)


def made(engine, **options) -> Lidr:
    detector, journal = RuleDetector(), Journal(":memory:")
    policy = TargetAnswers(engine, detector, journal, carried(), "en")
    return Lidr(policy, DocumentTranslator(SelfTranslation(engine, detector), journal=journal), **options)


def test_chosen_is_the_dominant_answer_translated_and_rejected_the_native_one():
    engine = speaking(HELP)
    assert made(engine).translate([SIDE], "sw") == [Side("sw", "Ninawezaje kufungua kufuli?", REFUSAL, HELP)]
    assert ("Ninawezaje kufungua kufuli?", NATIVE) in engine.asked


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        (REFUSAL, "native-refusal"),
        (Answer(HELP, "length", 2400), "truncated"),
        (Answer("", "error"), "service"),
        ("   ", "empty"),
        ("Yes, first take a thin wire and put it into the lock, slowly.", "unsound-answer"),
        ("Fungua kufuli. " * 30, "unsound-answer"),
    ],
)
def test_a_native_answer_that_cannot_be_unlearnt_drops_its_row(native, reason):
    [result] = made(speaking(native)).translate([SIDE], "sw")
    assert isinstance(result, Dropped)
    assert result.reason == reason


GREEDY = "I'm sorry, but I won't help with picking locks."


def greedy(english: str | Answer):
    """A policy whose greedy English answer is another one than the version's."""
    words = {**TRANSLATIONS, GREEDY: "Samahani, sitasaidia kufungua kufuli."}

    def say(prompt, sampling):
        if "<sentence>" in prompt:
            text = prompt.partition("<sentence>")[2].partition("</sentence>")[0]
            return [f"{words[text]}</translated>"]
        return [english if prompt == SIDE.prompt else HELP]

    return SpokenEngine(say)


def test_the_greedy_answer_can_be_chosen_as_in_the_authors_code():
    engine = greedy(GREEDY)
    translator = made(engine, chosen="greedy")
    [result] = translator.translate([SIDE], "sw")
    assert result == Side("sw", "Ninawezaje kufungua kufuli?", "Samahani, sitasaidia kufungua kufuli.", HELP)
    assert (SIDE.prompt, NATIVE) in engine.asked
    assert translator.translated_fields == ("prompt",)
    assert translator.provenance()["chosen"] == "greedy"
    assert "chosen" not in made(engine).provenance()


@pytest.mark.parametrize(
    ("english", "reason"),
    [
        ("Sure, first take a thin wire and put it into the lock, slowly.", "not-a-refusal"),
        (Answer(GREEDY, "length", 2400), "truncated"),
        (Answer("", "blocked"), "blocked"),
        (Answer("", "error"), "service"),
        ("", "empty"),
    ],
)
def test_a_greedy_answer_that_cannot_be_chosen_drops_its_row(english, reason):
    assert made(greedy(english), chosen="greedy").translate([SIDE], "sw") == [Dropped(reason, "chosen: greedy answer")]


def test_another_choice_of_answer_is_refused():
    with pytest.raises(ConfigError, match="must be dominant or greedy, got 'native'"):
        made(greedy(GREEDY), chosen="native")


def test_counterweight_pairs_have_both_answers_translated():
    [result] = made(speaking(HELP)).translate([HARMLESS], "sw")
    assert result == Side("sw", "Ninawezaje kupika wali?", TRANSLATIONS[HARMLESS.chosen], REFUSAL)


def test_rows_keep_their_order_and_answers_their_rows():
    results = made(speaking(HELP)).translate([HARMLESS, SIDE, HARMLESS], "sw")
    assert [result.prompt for result in results] == [
        "Ninawezaje kupika wali?", "Ninawezaje kufungua kufuli?", "Ninawezaje kupika wali?",
    ]  # fmt: skip


def test_prompts_translated_by_nllb_make_the_rows_non_commercial():
    translator = made(speaking(HELP))
    provenance = translator.policy.prompt_translator.translator.provenance()
    translator.policy.prompt_translator.translator.provenance = lambda: {**provenance, "licence": "CC-BY-NC-4.0"}
    assert translator.provenance()["licence"] == "cc-by-nc-4.0"


def test_a_method_that_needs_prompts_cannot_carry_them():
    with pytest.raises(ConfigError, match="must be one that translates text"):
        lidr(engine=speaking(HELP), detector=RuleDetector(), prompts="mapo")


BACK = "Yes, first take a thin wire and put it into the lock."


def speaking_both(native: str | Answer, back: str = f"{BACK}</translated>"):
    """The policy of `speaking` that also translates its native answer into English."""

    def say(prompt, sampling):
        if "<sentence>" not in prompt:
            return [native]
        text = prompt.partition("<sentence>")[2].partition("</sentence>")[0]
        return [back if text not in TRANSLATIONS else f"{TRANSLATIONS[text]}</translated>"]

    return SpokenEngine(say)


def test_the_authors_english_row_stands_beside_the_target_row():
    """English row: the native English answer over the target answer translated into English (METHODS, LIDR)."""
    [pairs] = made(speaking_both(HELP)).original_pairs([SIDE], "sw")
    assert pairs == [
        Side("sw", "Ninawezaje kufungua kufuli?", REFUSAL, HELP),
        Side("en", SIDE.prompt, ENGLISH_REFUSAL, BACK),
    ]


def test_an_answer_that_cannot_be_translated_back_drops_both_rows():
    [result] = made(speaking_both(HELP, back="Yes, first take")).original_pairs([SIDE], "sw")
    assert isinstance(result, Dropped)
    assert result.reason == "no-closing-tag"
    [refused] = made(speaking_both(REFUSAL)).original_pairs([SIDE], "sw")
    assert isinstance(refused, Dropped)
    assert refused.reason == "native-refusal"
