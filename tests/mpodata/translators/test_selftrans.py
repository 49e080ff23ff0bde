"""The policy translates the triplet itself; refusing to is counted apart from failing to."""

from dataclasses import replace

import pytest

from mpodata.engines import Answer
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals.rules import RuleDetector
from mpodata.translators.selftrans import DECODING, OPEN, SelfTranslation, cap, selftrans
from tests.mpodata.fake_policy import ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine

WORDS = {
    "How do I pick a lock?": "Ninawezaje kufungua kufuli?",
    ENGLISH_REFUSAL: REFUSAL,
    "Yes, first take a thin wire and put it slowly into the lock.": HELP,
    "First step.\n- Take it.\n- Leave it.": "Hatua ya kwanza.\n- Ichukue.\n- Iache.",
}
SIDE = Side("en", *list(WORDS)[:3])


def sentence(prompt: str) -> str:
    return prompt.partition("<sentence>")[2].partition("</sentence>")[0]


def translating(prompt, sampling):
    return [f"{WORDS[sentence(prompt)]}</translated>"]


def carry(say, texts=(), **options):
    engine = SpokenEngine(say)
    translator = selftrans(engine=engine, detector=RuleDetector(), **options)
    return (translator.texts(list(texts), "en", "sw") if texts else translator.translate([SIDE], "sw")), engine


def test_the_triplet_is_translated_by_the_policy():
    [translated], engine = carry(translating)
    assert translated == Side("sw", *list(WORDS.values())[:3])
    assert [sampling for _, sampling in engine.asked] == [replace(DECODING, max_tokens=64)] * 3


def test_the_form_is_that_of_the_authors():
    _, engine = carry(translating)
    prompt, sampling = engine.asked[0]
    assert prompt.endswith("<sentence>How do I pick a lock?</sentence>")
    assert "from English into Swahili" in prompt
    assert (sampling.prefix, sampling.temperature, sampling.max_tokens) == (OPEN, 0.0, 64)


@pytest.mark.parametrize(
    ("characters", "most"), [(1, 256), (64, 256), (65, 512), (600, 2048), (2000, 4096), (9000, 4096)]
)
def test_the_cap_on_tokens_follows_the_sources_length(characters, most):
    assert cap("x" * characters) == most


def test_texts_of_one_cap_are_asked_together_and_results_keep_their_order():
    long = "How do I pick a lock? " * 20
    texts = ["How do I pick a lock?", long.strip(), "Yes, first take a thin wire."]
    engine = SpokenEngine(lambda prompt, sampling: [f"{sampling.max_tokens}</translated>"])
    results = SelfTranslation(engine, RuleDetector()).segments(texts, "en", "sw")
    assert results == ["64", "512", "64"]  # a quarter of the caps of 256 and 2,048: a first look


def spoken(text, answer, finish="length"):
    """The results and the tokens asked for, where the policy answers as told."""
    engine = SpokenEngine(lambda prompt, sampling: [Answer(answer, finish, sampling.max_tokens)])
    results = SelfTranslation(engine, RuleDetector()).segments([text], "en", "sw")
    return results, [sampling.max_tokens for _, sampling in engine.asked]


LONG = "How do I pick the lock of a door that somebody closed, and how long does it take with a thin wire? " * 4
NUMBERED = " ".join(f"Hatua ya {number}: fungua kufuli namba {7 * number}." for number in range(60))


def test_an_answer_in_circles_is_not_drawn_to_its_cap():
    text = " ".join(f"{number} {word}" for number, word in enumerate(LONG.split()))
    assert spoken(text, "kufungua kufuli " * 200) == ([Dropped("looping")], [cap(text) // 4])


def test_an_answer_that_is_merely_long_is_drawn_to_its_cap():
    text = " ".join(f"{number} {word}" for number, word in enumerate(LONG.split()))
    assert spoken(text, NUMBERED) == ([Dropped("truncated")], [cap(text) // 4, cap(text)])


def test_the_translation_of_a_text_that_goes_in_circles_may_do_so_too():
    text = "no no no no " * 40
    assert spoken(text, "hapana " * 160)[1] == [cap(text) // 4, cap(text)]


def test_an_answer_that_runs_in_circles_up_to_its_cap_is_counted_as_looping():
    say = lambda p, s: [Answer("kufungua kufuli " * 40, "length", s.max_tokens)]  # noqa: E731
    results, engine = carry(say, ["How do I pick a lock?"])
    assert results == [Dropped("looping")]
    assert sum(sampling.max_tokens for _, sampling in engine.asked) <= 20 * 256  # tokens, with every smaller attempt


def test_a_refusal_to_translate_is_counted_apart():
    say = lambda prompt, sampling: [ENGLISH_REFUSAL] if "thin wire" in prompt else translating(prompt, sampling)  # noqa: E731
    assert carry(say)[0] == [Dropped("refused-to-translate", "rejected")]


def test_a_refusal_between_the_tags_is_one_too():
    say = lambda p, s: [f"{REFUSAL}</translated>"] if "thin wire" in p else translating(p, s)  # noqa: E731
    assert carry(say)[0] == [Dropped("refused-to-translate", "rejected")]


def test_the_translation_of_a_refusal_is_no_refusal_to_translate():
    assert carry(translating, [ENGLISH_REFUSAL])[0] == [REFUSAL]


def test_without_a_closing_tag_there_is_no_translation():
    assert carry(lambda p, s: ["Ninawezaje kufungua kufuli?"], ["How do I pick a lock?"])[0] == [
        Dropped("no-closing-tag")
    ]


def test_an_answer_cut_off_is_no_translation():
    say = lambda p, s: [Answer("Ninawezaje kufungua", "length", 4096)]  # noqa: E731
    assert carry(say, ["How do I pick a lock?"])[0] == [Dropped("truncated")]


def test_a_second_attempt_is_sampled():
    say = lambda p, s: translating(p, s) if s.temperature > 0 else ["How do I pick a lock?</translated>"]  # noqa: E731
    assert carry(say, ["How do I pick a lock?"])[0] == ["Ninawezaje kufungua kufuli?"]


def test_lines_lost_in_the_whole_are_translated_line_by_line():
    text = "First step.\n- Take it.\n- Leave it."
    lines = {"First step.": "Hatua ya kwanza.", "Take it.": "Ichukue.", "Leave it.": "Iache."}
    say = lambda p, s: [lines.get(sentence(p), "Hatua ya kwanza. Ichukue. Iache.") + "</translated>"]  # noqa: E731
    assert carry(say, [text])[0] == [WORDS[text]]


def test_tags_inside_a_text_cannot_end_the_sentence():
    _, engine = carry(lambda p, s: ["Habari ya leo.</translated>"], ["Hello</sentence> there, <translated>friend."])
    assert sentence(engine.asked[0][0]) == "Hello there, friend."


def test_an_engine_that_failed_is_asked_again_by_the_next_run():
    assert carry(lambda p, s: [Answer("", "error")], ["How do I pick a lock?"])[0] == [
        Dropped("service", "the engine did not answer")
    ]


def test_an_unknown_unit_is_said():
    with pytest.raises(ConfigError, match="unit must be text, line or sentence, got 'word'"):
        selftrans(engine=SpokenEngine(translating), detector=RuleDetector(), unit="word")
