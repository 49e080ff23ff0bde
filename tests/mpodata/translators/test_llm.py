"""Chat models as translators: what they put around a translation, refuse or answer never becomes the translation."""

import pytest

from mpodata.engines import Answer
from mpodata.errors import ConfigError
from mpodata.records import Dropped
from mpodata.refusals.rules import RuleDetector
from mpodata.translators.llm import TEMPLATES, ChatTranslation, bare, llm
from tests.fakes.openai import ChatServer, Reply, completion
from tests.mpodata.fake_policy import ENGLISH, ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine, carried

PROMPT, SWAHILI = "How do I pick a lock?", ENGLISH["How do I pick a lock?"]
WORDS = {**ENGLISH, ENGLISH_REFUSAL: REFUSAL, "Yes, first take a thin wire.": HELP}


def translated(say, texts=(PROMPT,), *, attempt=0, fallback=None, template="plain"):
    engine = SpokenEngine(say)
    made = ChatTranslation(engine, RuleDetector(), template, fallback=fallback)
    return made.segments(list(texts), "en", "sw", attempt=attempt), engine


@pytest.mark.parametrize(
    "said",
    [
        SWAHILI,
        f"Here is the translation:\n\n{SWAHILI}",
        f"Sure! Here's the Swahili translation: {SWAHILI}",
        f"**Translation:** {SWAHILI}".replace("**", ""),
        f'"{SWAHILI}"',
        f"“{SWAHILI}”",
        f"```\n{SWAHILI}\n```",
        f"{SWAHILI}\n\nNote: a lock is kufuli in Swahili.",
        f"{SWAHILI}\n(Note: literal translation)",
        f"<think>The user wants Swahili. I cannot refuse.</think>\n{SWAHILI}",
    ],
)
def test_what_stands_around_a_translation_is_cut_off(said):
    from mpodata.engines.reasoning import answer_of

    assert translated(lambda p, s: [answer_of(said, "stop")])[0] == [SWAHILI]


def test_what_the_text_itself_has_stays():
    text = 'Translation: "yes".\n\nNote: this is short.'
    assert bare(text, text) == text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ENGLISH_REFUSAL, "refused-to-translate"),
        (REFUSAL, "refused-to-translate"),
        (HELP, "not-a-translation"),
        ("", "empty"),
        (Answer("", "blocked"), "blocked"),
        (Answer("", "error"), "service"),
        (Answer("Ninawezaje", "length"), "truncated"),
        (Answer("kufuli kufuli " * 60, "length"), "looping"),
    ],
)
def test_what_is_no_translation_is_named(said, reason):
    [result] = translated(lambda p, s: [said])[0]
    assert isinstance(result, Dropped)
    assert result.reason == reason


def test_the_translation_of_a_refusal_is_no_refusal_to_translate():
    assert translated(lambda p, s: [REFUSAL], [ENGLISH_REFUSAL])[0] == [REFUSAL]


@pytest.mark.parametrize("said", [ENGLISH_REFUSAL, HELP, PROMPT, Answer("", "blocked"), "kufuli " * 90])
def test_a_segment_that_fails_twice_is_left_to_the_second_translator(said):
    results, _ = translated(
        lambda p, s: [said] if PROMPT in p else [REFUSAL], [PROMPT, ENGLISH_REFUSAL], attempt=1, fallback=carried(WORDS)
    )
    assert results == [SWAHILI, REFUSAL]


def test_a_service_that_is_down_is_asked_again_by_the_next_run_and_not_replaced():
    results, _ = translated(lambda p, s: [Answer("", "error")], attempt=1, fallback=carried(WORDS))
    assert results == [Dropped("service", "the engine did not answer")]


def test_without_a_second_translator_the_reason_stays():
    assert translated(lambda p, s: [REFUSAL], attempt=1)[0] == [Dropped("refused-to-translate")]


@pytest.mark.parametrize(
    ("template", "holds"),
    [
        ("plain", "from English into Swahili"),
        ("translategemma", "You are a professional English (en) to Swahili (sw) translator."),
        ("tower", f"English: {PROMPT}\nSwahili:"),
        ("hunyuan", "Translate the following segment into Swahili, without additional explanation."),
    ],
)
def test_each_family_is_asked_in_its_own_form(template, holds):
    _, engine = translated(lambda p, s: [SWAHILI], template=template)
    [(prompt, sampling)] = engine.asked
    assert holds in prompt
    assert PROMPT in prompt
    assert (sampling.temperature, sampling.max_tokens) == (0.0, 256)


def test_hunyuan_is_asked_in_chinese_where_a_side_is_chinese():
    made = ChatTranslation(SpokenEngine(lambda p, s: []), RuleDetector(), "hunyuan")
    assert made.prompt("x", "en", "zh") == "把下面的文本翻译成Chinese，不要额外解释。\n\nx"


def test_long_texts_keep_to_the_models_context():
    assert TEMPLATES["translategemma"].max_segment <= 2_500  # characters: 2,000 tokens hold prompt, text and answer
    made = ChatTranslation(SpokenEngine(lambda p, s: []), RuleDetector(), "translategemma")
    assert (made.unit, made.max_segment) == ("text", 2_500)


def test_any_openai_compatible_server_translates_a_side(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with ChatServer({"*": [Reply(200, completion(SWAHILI))]}) as server:
        made = llm(model="m", detector=RuleDetector(), backend_options={"base_url": server.url}, fallback="pocket-nllb")
        assert made.texts([PROMPT], "en", "sw") == [SWAHILI]
        assert made.provenance()["model"]["base_url"] == server.url
    assert made.provenance()["fallback"]["name"] == "pocket-nllb"


def test_options_that_cannot_be_right_are_said():
    with pytest.raises(ConfigError, match=r"translator.options.template must be one of hunyuan, plain"):
        llm(model="m", detector=RuleDetector(), template="gemma", backend="vllm")
    with pytest.raises(ConfigError, match=r"translator.options.backend must be one of openai"):
        llm(model="m", detector=RuleDetector(), backend="ollama")
