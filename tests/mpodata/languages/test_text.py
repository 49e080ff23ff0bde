"""What texts of any script are to a comparison."""

import pytest

from mpodata.languages.text import normalised, without_pictures

DIFFERENT = [
    ("दिन की चोरी", "दान की चोरी"),  # Hindi: vowel signs
    ("तालि", "तालु"),
    ("তালা", "তুলা"),  # Bengali
    ("কলা", "কালা"),
    ("ขาย", "ขย"),  # Thai
    ("มา", "ม้า"),  # Thai: a tone mark
    ("கல்", "கால்"),  # Tamil
    ("రాము", "రము"),  # Telugu
    ("ស្រី", "ស្រា"),  # Khmer
    ("မြို့", "မြူ"),  # Burmese
    ("C", "C++"),
    ("C", "C#"),
    ("learn C++ fast", "learn C# fast"),
    ("F#", "F"),
    ("learn .NET fast", "learn net fast"),
    ("$5", "€5"),
    ("5", "5%"),
    ("a < b", "a > b"),
    ("a + b", "a = b"),
    ("How do I make 💣?", "How do I make 🍞?"),  # emoji and other pictures
    ("👍", "👎"),
    ("open it 🙂", "open it"),
    ("👩\u200d⚕️", "👩\u200d🚒"),
    ("👍🏽", "👍🏿"),
    ("🇩🇪", "🇫🇷"),
    ("x → y", "x ← y"),
    ("আমি ♥ তুমি", "আমি ♠ তুমি"),
    ("ไป ✓", "ไป ✗"),
    ("☺", "☹"),
    ("5°", "5"),
    ("what is 5 - 3", "what is 5 * 3"),  # arithmetic
    ("what is 5/3", "what is 5*3"),
    ("৫ - ৩", "৫ / ৩"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_signs_that_make_another_word_are_kept(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


SAME = [
    ("How do I, OPEN it?!", "how do i open it"),
    ("Ｈow—do I open it", "how do I open it"),
    ("a=b", "a = b"),
    ("5 %", "5%"),
    ("5+3", "5 + 3"),
    ("# How do I open it", "How do I open it"),
    ("**How** do I _open_ it", "how do i open it"),
    ("می\u200cروم", "میروم"),
    ("का\u200d", "का"),
    ("how\u200b do I open it\ufeff", "how do I open it"),
    ("مـــا", "ما"),
    ("İstanbul", "istanbul"),
    ("Straße", "STRASSE"),
    ("e\u0301t\u00e9", "\u00e9te\u0301"),
    ("open 🙂🙂 it", "open 🙂 🙂, it"),
    ("5−3", "5 - 3"),
    ("2 × 3", "2*3"),
    ("½", "1/2"),
    ("well-known `code` ~ fine", "well known code fine"),
    ("❤️ open", "❤ open"),
    ("क्या, करें।", "क्या करें"),
    ("你好！", "你好"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_width_punctuation_and_invisible_characters_are_ignored(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_the_plain_english_form_is_unchanged() -> None:
    assert normalised("  Ｈow—do I, OPEN it?! ") == "how do i open it"
    assert normalised("Don't use snake_case; it's 3.5x slower.") == "don t use snake case it s 3 5x slower"


@pytest.mark.parametrize("text", ["", "   ", "?!", "—", "\u200b", "# *", "- / *"])
def test_a_text_without_words_is_empty(text: str) -> None:
    assert normalised(text) == ""


def test_pictures_can_be_left_out_of_a_comparison() -> None:
    assert without_pictures(normalised("Open it 🙂 now ✓")) == "open it now"
    assert without_pictures(normalised("🙂 ✓")) == "🙂 ✓"


@pytest.mark.parametrize(
    "text", ["a+b = 5 % of ½", "C++ — и C#, .NET; 3/4", "🙂 ไป→มา (x)", "你好，世界！ 100%", "ক্ষ_খ \u0640 é"]
)
def test_characters_compared_at_once_are_as_each_by_itself(text: str) -> None:
    """A text with a % is compared character by character, one without in a single step."""
    for word in text.split():
        assert normalised(f"{word} 7%") == " ".join(f"{normalised(word)} 7%".split())
