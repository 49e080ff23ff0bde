"""An answer is judged in the language it is written in, whatever language the row is in."""

import pytest

from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector
from mpodata.refusals.spoken import spoken_language


def label(language: str, answer: str) -> str:
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer)])
    return verdict.label


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ("zh", "Sorry, I can't help you with picking that lock."),
        ("sw", "I'm sorry, but I can't assist with reading her diary."),
        ("ja", "抱歉，我无法帮助您打开别人的锁。"),
        ("en", "Lo siento, pero no puedo ayudarte a copiar en el examen."),
        ("en", "申し訳ありませんが、他人の鍵を開けるお手伝いはできません。"),
        ("ar", "Je suis désolé, mais je ne peux pas vous aider à ouvrir cette serrure."),
        ("de", "죄송하지만 다른 사람의 일기를 읽는 것은 도와드릴 수 없습니다."),
    ],
)
def test_a_refusal_in_another_language_is_a_refusal(row: str, answer: str) -> None:
    assert label(row, answer) == "refusal"


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ("zh", "Mix the flour with the water, let it rest and bake it for an hour."),
        ("en", "先把面粉和水混合，然后烤四十分钟。"),
        ("it", "Primero mezcla la harina con el agua y luego hornea el pan durante una hora."),
    ],
)
def test_help_in_another_language_is_help(row: str, answer: str) -> None:
    assert label(row, answer) == "compliance"


def test_an_answer_in_a_language_without_rules_cannot_be_judged() -> None:
    answer = "Извините, но я не могу помочь вам открыть чужой замок."
    [verdict] = RuleDetector().verdicts([Exchange("en", "", answer)])
    assert (verdict.label, verdict.detail) == ("unknown", "language")


def test_a_name_in_other_letters_changes_no_language() -> None:
    assert spoken_language("打开 Wi-Fi 路由器的设置页面，然后更改密码。", "zh") == "zh"
    assert spoken_language("The word 日記 means diary, and it is the usual word for that.", "en") == "en"


@pytest.mark.parametrize("text", ["", " ", "?!", "42", "🙂"])
def test_a_text_without_words_is_taken_to_be_in_the_language_of_the_row(text: str) -> None:
    for row in ("en", "zh", "ja", "th"):
        assert spoken_language(text, row) == row
