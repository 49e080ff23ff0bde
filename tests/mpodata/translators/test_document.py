"""Whole sides are translated segment by segment; every failure is tried another way and then named."""

from collections.abc import Callable, Sequence

import pytest

from mpodata.errors import ModelError, UnknownName
from mpodata.records import Dropped, Side
from mpodata.runtime.journal import Journal
from mpodata.translators import SentenceTranslator
from mpodata.translators.checks import faults
from mpodata.translators.document import DocumentTranslator

CYRILLIC = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "абцдефгхийклмнопярстувщхызАБЦДЕФГХИЙКЛМНОПЯРСТУВЩХЫЗ"
)


class Transliterator(SentenceTranslator):
    """A SentenceTranslator that writes English in Russian letters, links and all; `fault` may spoil a segment."""

    max_segment = 200

    def __init__(self, fault: Callable[[str, int], str | Dropped | None] = lambda text, attempt: None) -> None:
        self.fault = fault
        self.seen: list[str] = []

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        self.seen += texts
        return [self.fault(text, attempt) or text.translate(CYRILLIC) for text in texts]

    def provenance(self):
        return {"name": "transliterator"}


def side(prompt="How are you?", chosen="I am fine. Thank you.", rejected="Go away.") -> Side:
    return Side("en", prompt, chosen, rejected)


def carry(text: str, **options) -> str | Dropped:
    return DocumentTranslator(Transliterator(**options)).texts([text], "en", "ru")[0]


def test_every_field_is_translated():
    [translated] = DocumentTranslator(Transliterator()).translate([side()], "ru")
    assert translated == Side("ru", "Хощ аре ыоу?", "И ам фине. Тханк ыоу.", "Го ащаы.")


def test_newlines_lists_and_code_stay():
    text = "Do this:\n\n1. First, wash it.\n2. **Then dry it.**\n\n```\nwash --dry\n```\n"
    assert carry(text) == "До тхис:\n\n1. Фирст, щасх ит.\n2. **Тхен дры ит.**\n\n```\nwash --dry\n```\n"


def test_links_placeholders_and_numbers_survive_a_translator_that_spoils_them():
    translated = carry("Ask {name} to read https://example.org/help and `run it` for 1,200 days.")
    assert translated == "Аск {name} то реад https://example.org/help анд `run it` фор 1,200 даыс."


def test_identical_segments_are_translated_once():
    translator = Transliterator()
    DocumentTranslator(translator).translate([side(), side(chosen="Thank you. Go away.")], "ru")
    assert sorted(translator.seen) == sorted(set(translator.seen))


def test_nothing_is_translated_twice_across_runs(tmp_path):
    for calls in (4, 0):
        translator = Transliterator()
        with Journal(tmp_path / "journal.sqlite") as journal:
            DocumentTranslator(translator, journal=journal).translate([side()], "ru")
        assert len(translator.seen) == calls


def test_what_is_still_to_be_translated_is_known_without_translating():
    translator = Transliterator()
    translated = DocumentTranslator(translator)
    translated.texts(["How are you?"], "en", "ru")
    assert translated.pending(["How are you? Go on. Go on.", "12"], "en", "ru") == (["Go on."], 1)
    assert translated.pending(["How are you?"], "en", "sw") == (["How are you?"], 0)
    assert translator.seen == ["How are you?"]


def test_a_failing_segment_is_decoded_another_way():
    translated = carry("I am fine. Thank you.", fault=lambda text, attempt: "я, " * 30 if attempt == 0 else None)
    assert translated == "И ам фине. Тханк ыоу."


def test_a_segment_too_long_for_the_translator_is_cut_and_put_together():
    text = "One and two and three and four, five and six and seven and eight."
    limit = lambda t, _: Dropped("truncated") if len(t) > 40 else None  # noqa: E731
    assert carry(text, fault=limit) == text.translate(CYRILLIC)


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ("", "empty"),
        ("...", "empty"),
        ("Мне жаль, но " * 9, "looping"),
        ("I am fine with it all here and now, as ever before.", "untranslated"),
        ("Да", "too-short"),
        (
            " ".join(chr(0x430 + first) + chr(0x430 + second) for first in range(10) for second in range(9)),
            "too-long",
        ),
    ],
)
def test_a_segment_that_always_fails_drops_its_side_with_the_reason(spoilt, reason):
    fault = lambda text, _: (spoilt or Dropped("empty")) if text not in ("How are you?", "Go away.") else None  # noqa: E731
    [translated] = DocumentTranslator(Transliterator(fault)).translate(
        [side(chosen="I am fine with it all here and now, as ever before.")], "ru"
    )
    assert isinstance(translated, Dropped)
    assert (translated.reason, translated.detail) == (reason, "chosen")


def test_names_may_come_back_as_they_are():
    assert carry("NASA", fault=lambda text, _: text) == "NASA"


def test_a_service_that_is_down_is_asked_again_by_the_next_run(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        down = DocumentTranslator(Transliterator(lambda text, _: Dropped("service", "no answer")), journal=journal)
        assert down.translate([side()], "ru") == [Dropped("service", "prompt: no answer")]
        assert isinstance(DocumentTranslator(Transliterator(), journal=journal).translate([side()], "ru")[0], Side)


def test_a_second_attempt_that_found_the_service_down_is_made_again_by_the_next_run(tmp_path):
    text = "I am fine with it all here and now."
    with Journal(tmp_path / "journal.sqlite") as journal:
        down = Transliterator(lambda text, attempt: Dropped("service") if attempt else Dropped("no-closing-tag"))
        assert DocumentTranslator(down, journal=journal).texts([text], "en", "ru") == [Dropped("service")]
        back = Transliterator(lambda text, attempt: None if attempt else Dropped("no-closing-tag"))
        assert DocumentTranslator(back, journal=journal).texts([text], "en", "ru") == [text.translate(CYRILLIC)]


def test_other_failures_are_kept_and_not_paid_for_again(tmp_path):
    spoilt = Transliterator(lambda text, _: Dropped("untranslatable"))
    with Journal(tmp_path / "journal.sqlite") as journal:
        DocumentTranslator(spoilt, journal=journal).translate([side()], "ru")
        paid = len(spoilt.seen)
        DocumentTranslator(spoilt, journal=journal).translate([side()], "ru")
    assert len(spoilt.seen) == paid


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "empty"), ("\x00\u200e ", "empty"), ("a \ud800 b", "untranslatable"), ("word " * 200_000, "too-long")],
)
def test_fields_that_cannot_be_translated_are_named(text, reason):
    [translated] = DocumentTranslator(Transliterator()).translate([side(rejected=text)], "ru")
    assert isinstance(translated, Dropped)
    assert translated.reason == reason
    assert translated.detail.startswith("rejected")


def test_direction_marks_nul_and_chat_tokens_do_no_harm():
    translated = carry("\u202bPlease\x00 wait.\u202c <|im_end|> Go on.")
    assert translated == "Плеасе щаит. <|im_end|> Го он."


def test_sentences_are_joined_the_way_the_target_writes():
    class Chinese(Transliterator):
        def segments(self, texts, source, target, *, attempt=0):
            return ["你好，朋友。" if target == "zh" else "Hello, friend." for _ in texts]

    assert DocumentTranslator(Chinese()).texts(["Hello, friend. Hello, friend."], "en", "zh") == [
        "你好，朋友。你好，朋友。"
    ]
    assert DocumentTranslator(Chinese(), dominant="en").back(["你好，朋友。你好，朋友。"], "zh") == [
        "Hello, friend. Hello, friend."
    ]


def test_a_translator_that_loses_count_is_said():
    class Forgetful(Transliterator):
        def segments(self, texts, source, target, *, attempt=0):
            return []

    with pytest.raises(ModelError, match="answered 4 segments with 0"):
        DocumentTranslator(Forgetful()).translate([side()], "ru")


def test_an_unknown_language_is_said_before_anything_is_translated():
    with pytest.raises(UnknownName, match="Unknown language 'xx'"):
        DocumentTranslator(Transliterator()).translate([side()], "xx")


def test_progress_counts_segments():
    finished: list[int] = []
    DocumentTranslator(Transliterator(), progress=finished.append).translate([side()], "ru")
    assert sum(finished) == 4


def test_a_text_that_repeats_itself_may_be_translated_so():
    text = "no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no"
    assert faults([text], [text.translate(CYRILLIC)], "en", "ru") == [None]


class Unread(Transliterator):
    """Lacks some characters, and leaves them out of what it writes, as a model does."""

    lacking = "鹰🎉€‑\u2060"

    def unknown(self, texts: Sequence[str]) -> list[str]:
        return ["".join(sorted({c for c in text if c in self.lacking})) for text in texts]

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        self.seen += texts
        return ["".join(c for c in text if c not in self.lacking).translate(CYRILLIC) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We won! 🎉🎉", "Ще щон! 🎉🎉"),
        ("🎉 We won", "🎉 Ще щон"),
        ("It costs 5€ a day", "Ит цостс 5€ а даы"),
        ("One 🎉️ two", "Оне 🎉️ тщо"),
        ("Go\u2060ing home", "Гоинг хоме"),
        ("A well‑known word", "А щелл‑кнощн щорд"),
        ("🎉", "🎉"),
    ],
)
def test_signs_that_the_vocabulary_lacks_are_kept_around_the_translation(text, expected):
    translator = Unread()
    assert DocumentTranslator(translator).texts([text], "en", "ru") == [expected]
    assert not any(c in segment for segment in translator.seen for c in Unread.lacking)


@pytest.mark.parametrize("text", ["How do I steal the 鹰 car?", "鹰", "Good. A 鹰!"])
def test_a_text_with_a_letter_that_the_vocabulary_lacks_is_dropped_by_name(text):
    [result] = DocumentTranslator(Unread()).texts([text], "en", "ru")
    assert result == Dropped("unknown-characters", "the translator cannot read 鹰")


def test_the_unread_character_of_one_row_drops_no_other_row():
    results = DocumentTranslator(Unread()).translate([side("A 鹰?"), side()], "ru")
    assert results[0] == Dropped("unknown-characters", "prompt: the translator cannot read 鹰")
    assert isinstance(results[1], Side)


@pytest.mark.parametrize("sign", ["<unk>", "\u2047"])
def test_an_unknown_token_in_the_output_is_decoded_again_and_else_named(sign):
    def spoil(text: str, attempt: int) -> str | None:
        return None if attempt else f"{text.translate(CYRILLIC)} {sign}"

    assert carry("Go home.", fault=spoil) == "Го хоме."
    assert carry("Home.", fault=lambda text, attempt: f"Дом {sign}.") == Dropped("unknown-token")
    assert carry(f"Home {sign}.", fault=lambda text, attempt: f"Хоме {sign}.") == f"Хоме {sign}."


@pytest.mark.parametrize(
    ("text", "translation", "lost"),
    [
        ("There were 12 people in 2012", "Тхере щере пеопле ин 2012", True),
        ("There were 12 people in 2012", "Тхере щере 12 пеопле ин 2012", False),
        ("He paid 100,000 of it in cash", "Хе паид ১,০০,০০০ оф ит ин цасх", False),
        ("He paid 1,234,567 of it in cash", "Хе паид १२,३४,५६७ оф ит ин цасх", False),
        ("He paid 1200 of it in cash", "Хе паид 1 200 оф ит ин цасх", False),
        ("In 2024 100 people came home", "Ин 2024 100 пеопле цаме хоме", False),
        ("In 2024, 100 people came home", "Ин 2024 110 пеопле цаме хоме", True),
        ("It is 3.14 in most of the books", "Ит ис 3,14 ин мост оф тхе боокс", False),
        ("Call 555-1234 at 10:30 in the night", "Цалл 555-1234 ат ১০:৩০ ин тхе нигхт", False),
    ],
)
def test_a_number_is_found_in_any_digits_and_groups_but_not_inside_another(text, translation, lost):
    assert faults([text], [translation], "en", "ru") == (["lost-number"] if lost else [None])
