"""Chat models as translators: what they put around a translation, refuse or answer never becomes the translation."""

import pytest

from mpodata.engines import Answer
from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.journal import Journal
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.llm import TEMPLATES, ChatTranslation, bare, llm
from mpodata.translators.second import Second
from tests.fakes.openai import ChatServer, Reply, completion
from tests.mpodata.fake_policy import ENGLISH, ENGLISH_REFUSAL, HELP, REFUSAL, SpokenEngine, carried

PROMPT, SWAHILI = "How do I pick a lock?", ENGLISH["How do I pick a lock?"]
RICE = "How do I cook rice?"
WORDS = {**ENGLISH, ENGLISH_REFUSAL: REFUSAL, "Yes, first take a thin wire.": HELP}


def translated(say, texts=(PROMPT,), *, attempt=0, template="plain"):
    engine = SpokenEngine(say)
    made = ChatTranslation(engine, RuleDetector(), template)
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
    made = behind(lambda p, s: [said] if PROMPT in p else [REFUSAL])
    assert made.texts([PROMPT, ENGLISH_REFUSAL], "en", "sw") == [SWAHILI, REFUSAL]


def test_a_row_names_who_translated_each_field_and_a_text_of_two_names_both():
    said = {PROMPT: "Sure.", RICE: ENGLISH[RICE], ENGLISH_REFUSAL: REFUSAL, "Yes, first take a thin wire.": "No."}
    made = behind(lambda p, s: [next(answer for text, answer in said.items() if text in p)])
    made.translator.unit = "line"
    sides = [
        Side("en", PROMPT, ENGLISH_REFUSAL, "Yes, first take a thin wire."),
        Side("en", f"{PROMPT}\n{RICE}", ENGLISH_REFUSAL, RICE),
    ]
    first, second = made.translate(sides, "sw")
    assert first == Side("sw", SWAHILI, REFUSAL, HELP, translators=("dictionary", "llm", "dictionary"))
    assert second.prompt == f"{SWAHILI}\n{ENGLISH[RICE]}"
    assert second.translators == ("llm+dictionary", "llm", "llm")


def test_without_a_second_translator_every_field_is_the_models():
    engine = SpokenEngine(lambda p, s: [SWAHILI if PROMPT in p else REFUSAL])
    made = DocumentTranslator(ChatTranslation(engine, RuleDetector()), name="llm")
    [side] = made.translate([Side("en", PROMPT, ENGLISH_REFUSAL, PROMPT)], "sw")
    assert side.translators == ("llm", "llm", "llm")


def test_another_second_translator_asks_the_model_nothing_again():
    with Journal(":memory:") as journal:
        for _ in range(2):
            engine = SpokenEngine(lambda p, s: ["Sure."])
            made = behind(engine.say, journal=journal, engine=engine)
            assert made.texts([PROMPT], "en", "sw") == [SWAHILI]
        assert engine.asked == []
        assert made.provenance()["fallback"]["name"] == "dictionary"


def test_a_service_that_is_down_is_asked_again_by_the_next_run_and_not_replaced():
    assert behind(lambda p, s: [Answer("", "error")]).texts([PROMPT], "en", "sw") == [
        Dropped("service", "the engine did not answer")
    ]


SOFTER = "Ninawezaje kutunza funguo zangu vizuri?"  # "How do I look after my keys?"


@pytest.mark.parametrize(("least", "expected"), [(0.0, SOFTER), (60.0, SWAHILI)])
def test_a_softened_translation_is_told_by_comparing_it_with_the_second_translators(least, expected):
    assert behind(lambda p, s: [SOFTER], least=least).texts([PROMPT], "en", "sw") == [expected]


def test_a_translation_that_cannot_be_compared_stays():
    made = behind(lambda p, s: [SWAHILI], least=60.0, words={})
    assert made.texts([PROMPT], "en", "sw") == [SWAHILI]


def behind(say, *, least=0.0, words=WORDS, journal=None, engine=None) -> DocumentTranslator:
    """A chat model with a dictionary behind it."""
    chat = ChatTranslation(engine or SpokenEngine(say), RuleDetector())
    return DocumentTranslator(chat, name="llm", journal=journal, second=Second(carried(words), "dictionary", least))


REFUSALS = {
    "en": "I'm sorry, but I can't help with that request.",
    "fr": "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
    "de": "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "es": "Lo siento, pero no puedo ayudar con esa solicitud.",
    "zh": "抱歉，我无法协助完成这个请求。",
    "ar": "آسف، لا أستطيع المساعدة في هذا الطلب.",
    "ru": "Извините, но я не могу помочь с этим запросом.",
    "hi": "क्षमा करें, मैं इस अनुरोध में मदद नहीं कर सकता।",
    "tr": "Üzgünüm, bu istekle ilgili yardımcı olamam.",
    "sw": REFUSAL,
    "en, of the translation": "I cannot translate this text because it may cause harm.",
    "de, of the translation": "Als KI kann ich diesen Text nicht übersetzen.",
    "sw, of the translation": "Siwezi kutafsiri maandishi haya kwa sababu yanaweza kusababisha madhara.",
}
ANSWERS = {
    "an answer in English": "Sure! First take a thin wire and bend its end, then push it into the lock.",
    "an answer in the target language": HELP,
    "advice after the translation": f"{SWAHILI} Kumbuka kwamba jambo hili ni kinyume cha sheria. Tafadhali piga simu.",
    "a softened request": SOFTER,
}


@pytest.mark.parametrize("said", [*REFUSALS.values(), *ANSWERS.values()], ids=[*REFUSALS, *ANSWERS])
def test_whatever_a_server_says_instead_of_translating_reaches_neither_prompt_nor_rejected(said, monkeypatch):
    """A loopback server refuses, answers, comments or softens what is harmful, and translates the refusal well."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    harmful = Side("en", PROMPT, ENGLISH_REFUSAL, "Yes, first take a thin wire.")
    asks = ChatTranslation(SpokenEngine(lambda p, s: []), RuleDetector()).prompt
    script = {asks(text, "en", "sw"): [Reply(200, completion(said))] for text in (harmful.prompt, harmful.rejected)}
    commented = f"Here is the translation:\n\n{REFUSAL}\n\nNote: polite register."
    script[asks(ENGLISH_REFUSAL, "en", "sw")] = [Reply(200, completion(commented))]
    with ChatServer(script) as server:
        made = llm(model="m", detector=RuleDetector(), backend_options={"base_url": server.url}, fallback="pocket-nllb")
        made.second = Second(carried(WORDS), "dictionary", 60.0)
        [side] = made.translate([harmful], "sw")
    assert side == Side("sw", SWAHILI, REFUSAL, HELP, translators=side.translators)
    assert side.translators[:2] == ("dictionary", "llm")
    assert said == HELP or side.translators[2] == "dictionary"


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
    with pytest.raises(ConfigError, match="min_agreement compares with a second translator"):
        llm(model="m", detector=RuleDetector(), min_agreement=30.0)
    with pytest.raises(ConfigError, match="min_agreement must be between 0 and 100, got 300"):
        llm(model="m", detector=RuleDetector(), fallback="pocket-nllb", min_agreement=300.0)
    with pytest.raises(ConfigError, match=r"translator.options.template must be one of hunyuan, plain"):
        llm(model="m", detector=RuleDetector(), template="gemma", backend="vllm")
    with pytest.raises(ConfigError, match=r"translator.options.backend must be one of openai"):
        llm(model="m", detector=RuleDetector(), backend="ollama")
