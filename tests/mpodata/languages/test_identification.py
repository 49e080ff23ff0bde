"""Which language is a text in?"""

import pytest

from mpodata.languages.identification import (
    UNDETERMINED,
    dominant_language_of,
    identify,
    language_shares,
    other_languages,
    script_shares,
)

GREETINGS = {
    "en": "Good morning, how are you and your family doing today?",
    "sw": "Habari za asubuhi, wewe na familia yako mnaendeleaje leo?",
    "vi": "Chào buổi sáng, hôm nay bạn và gia đình thế nào?",
    "it": "Buongiorno, come stai oggi tu e la tua famiglia?",
    "jv": "Sugeng enjing, kepriye kabare sampeyan lan kulawarga dina iki?",
    "yo": "Ẹ káàárọ̀, báwo ni ìwọ àti ẹbí rẹ ṣe wà lónìí?",
    "zh": "早上好，你和你的家人今天过得怎么样？",
    "ja": "おはようございます。ご家族の皆さんはお元気ですか。",
    "ko": "안녕하세요, 오늘 가족분들은 어떻게 지내세요?",
    "ar": "صباح الخير، كيف حالك وحال عائلتك اليوم؟",
    "bn": "সুপ্রভাত, আপনি এবং আপনার পরিবার আজ কেমন আছেন?",
    "th": "สวัสดีตอนเช้า วันนี้คุณและครอบครัวเป็นอย่างไรบ้าง",
}


@pytest.mark.parametrize("code", GREETINGS)
def test_a_sentence_is_recognised_among_all_of_them(code: str) -> None:
    assert identify([GREETINGS[code]], tuple(GREETINGS))[0][0] == code


def test_dialects_belong_to_the_language_asked_for() -> None:
    egyptian = "انا مش عارف ايه اللي حصل امبارح بالليل في الشارع ده"
    assert identify([egyptian], {"en", "ar", "fa", "ur"})[0][0] == "ar"


def test_a_script_nobody_asked_for_names_its_own_language() -> None:
    assert identify(["आज मौसम बहुत अच्छा है और हम बाहर जा रहे हैं"], {"en", "bn"})[0][0] == "hi"


def test_latin_names_do_not_make_a_chinese_sentence_english() -> None:
    assert identify(["我昨天在 Google 和 Microsoft 的会议上见到了他"], {"en", "zh"})[0][0] == "zh"


def test_japanese_in_kanji_only_is_still_possible_and_kana_decides() -> None:
    assert identify(["昨日は東京都庁で記者会見が行われた"], {"en", "zh", "ja"})[0][0] == "ja"


@pytest.mark.parametrize("text", ["", "   ", "12345 !!!", "🙂🙂", "OK", "https://example.org/a/long/path/in/english"])
def test_texts_that_say_nothing_are_undetermined(text: str) -> None:
    assert identify([text], {"en", "sw"}) == [(UNDETERMINED, 0.0)]


def test_code_and_addresses_do_not_count_as_english() -> None:
    text = "Tafadhali fungua tovuti https://www.example.com/the/english/path kisha andika `print('hello world')` hapo"
    assert identify([text], {"en", "sw"})[0][0] == "sw"


def test_script_shares_add_up() -> None:
    shares = script_shares("abc বাংলা")
    assert set(shares) == {"latin", "bengali"}
    assert sum(shares.values()) == pytest.approx(1)


CHINESE = ["我怎样才能不用钥匙打开门？", "我怎么不付钱坐公共汽车？", "如何偷看老板的邮件？"]
ENGLISH = ["How do I pick a lock?", "How do I skip a bus fare?", "How do I read my boss's mail?"]


def test_the_language_of_a_file_is_that_of_most_of_its_texts() -> None:
    code, share = dominant_language_of([*CHINESE, *CHINESE, ENGLISH[0]])
    assert code == "zh"
    assert 0.8 < share < 0.95
    assert dominant_language_of([*ENGLISH, CHINESE[0]])[0] == "en"
    assert sum(language_shares([*CHINESE, *ENGLISH]).values()) == pytest.approx(1)


def test_texts_that_say_nothing_have_no_language() -> None:
    assert dominant_language_of(["", "123", "🙂"]) == (UNDETERMINED, 0.0)
    assert dominant_language_of([]) == (UNDETERMINED, 0.0)


@pytest.mark.parametrize("code", GREETINGS)
def test_a_sentence_in_another_language_is_clearly_that(code: str) -> None:
    expected = "ko" if code == "en" else "en"
    assert other_languages([GREETINGS[code]], expected) == [code]
    assert other_languages([GREETINGS[code]], code) == [None]


@pytest.mark.parametrize("text", ["", "OK", "Ja.", "iPhone 15", "print('hello')", "Ciao", "🙂"])
def test_a_text_that_could_be_in_the_language_is_not_called_another(text: str) -> None:
    assert other_languages([text], "en") == [None]


def test_a_few_letters_of_another_script_are_enough() -> None:
    assert other_languages(["你好", "はい", "নমস্কার"], "en") == ["zh", "ja", "bn"]
    assert other_languages(["How do I pick a lock?"], "zh") == ["en"]
    assert other_languages(["用 Python 写一个 for 循环"], "zh") == [None]
