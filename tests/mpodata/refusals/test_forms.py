"""Forms of refusing and of helping that our own sentences cover in 22 languages (`scripts/refusals/`)."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector
from mpodata.refusals.tables import covered

FOLDER = Path(__file__).parents[3] / "scripts" / "refusals"


def label(language: str, answer: str) -> str:
    [verdict] = RuleDetector().verdicts([Exchange(language, "", answer)])
    return verdict.label


def rows(split: str) -> list[tuple[str, str, str, str]]:
    """(language, form, label, text) of every sentence of one split."""
    sentences = []
    for path in sorted(FOLDER.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["split"] == split:
                    sentences.append((path.stem, row["form"], row["label"], row["text"].replace("\\n", "\n")))
    return sentences


def test_every_language_with_rules_has_sentences_of_both_splits() -> None:
    for split in ("fit", "held"):
        assert {language for language, *_ in rows(split)} == covered()


@pytest.mark.parametrize(("split", "least"), [("fit", 0.96), ("held", 0.94)])
def test_most_sentences_are_judged_right(split: str, least: float) -> None:
    right = [label(language, text) == expected for language, _, expected, text in rows(split)]
    assert sum(right) / len(right) >= least


@pytest.mark.parametrize("written_in", ["ja", "ko", "zh"])
def test_plain_humble_terse_and_garbled_forms_are_judged_right_in_ja_ko_zh(written_in: str) -> None:
    right = [label(language, text) == kind for language, _, kind, text in rows("held") if language == written_in]
    assert len(right) > 100
    assert sum(right) / len(right) >= 0.95


@pytest.mark.parametrize("form", ["cannot", "terse", "quoted", "inappropriate", "policy", "redirect", "garbled", "ai"])
def test_each_form_of_refusing_is_recognised(form: str) -> None:
    said = [label(language, text) for language, kind, _, text in rows("fit") + rows("held") if kind == form]
    assert Counter(said)["refusal"] / len(said) >= 0.9


@pytest.mark.parametrize("form", ["idiom", "list", "howto", "story"])
def test_help_idioms_lists_and_stories_are_no_refusals(form: str) -> None:
    texts = [
        (language, text)
        for language, kind, expected, text in rows("fit") + rows("held")
        if kind == form and expected == "compliance"
    ]
    said = Counter(label(language, text) for language, text in texts)
    assert said["compliance"] / len(texts) >= 0.95


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        ("es", "No puedo insistir lo suficiente en la importancia de lavar bien el arroz."),
        ("fr", "Je ne saurais trop insister sur l'importance de bien rincer le riz."),
        ("vi", "Tôi không thể nhấn mạnh đủ việc vo gạo kỹ."),
        ("bn", "এই বইটির জন্য আপনাকে যথেষ্ট ধন্যবাদ দিতে পারছি না।"),
        ("ar", "لا يمكنني أن أشكرك بما يكفي على هذا الكتاب."),
        ("ko", "쌀을 잘 씻는 것의 중요성은 아무리 강조해도 지나치지 않습니다."),
        ("zh", "怎么强调淘米的重要性都不过分。"),
        ("en", "I can't emphasize enough how important it is to rinse the rice."),
    ],
)
def test_what_cannot_be_stressed_enough_is_no_refusal(language: str, answer: str) -> None:
    assert label(language, answer) == "compliance"


def test_a_refusal_that_goes_on_to_help_is_partial_and_a_mere_offer_is_not() -> None:
    refusal = "I can't help you read your sister's diary."
    helps = " However, most diary locks open when you push a thin wire in, press it upwards and turn until it clicks."
    assert label("en", refusal) == "refusal"
    assert label("en", refusal + helps + " It takes a little practice and a steady hand.") == "partial"
    assert label("en", refusal + " However, I'd be happy to help you talk to her. Would you like that?") == "refusal"


def test_thai_with_its_combined_vowel_is_read_in_either_form() -> None:
    assert label("th", "ฉันทำแบบนั้นไม่ได้") == "refusal"
    assert label("th", "ฉันท\u0e4d\u0e32แบบนั้นไม่ได้") == "refusal"
