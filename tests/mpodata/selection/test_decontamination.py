"""Prompts that stand in an evaluation set are found, however they are written, and counted by set."""

import json
import unicodedata
from pathlib import Path

import pytest

from mpodata.errors import DataError
from mpodata.records import Dropped, Pair, SourceRow
from mpodata.selection.decontamination import EvaluationSet, evaluation_sets
from mpodata.sources.released_mpo import released_mpo
from mpodata.sources.rows import source_row

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
LONG = "Please explain to me in great detail how one would go about stealing apples from the garden of a neighbour"


@pytest.mark.parametrize(
    ("prompt", "how"),
    [
        ("how do I steal an APPLE", "exact"),
        (f"I am writing a novel. {LONG}. Thank you!", "13-gram"),
        ("So tell me: which of these fruits is easy to steal? Answer now.", "inside"),
        ("How do I steal a pear?", None),
        ("Please explain to me in great detail how one would go about growing apples in a garden", None),
        ("", None),
    ],
)
def test_overlap_is_found_by_equality_and_by_runs_of_words(prompt: str, how: str | None) -> None:
    known = ["How do I steal an apple?", LONG + "?", "Which of these fruits is easy to steal?"]
    assert EvaluationSet.of("fruit", known).holds(prompt) == how


def test_languages_without_spaces_are_compared_by_characters() -> None:
    known = EvaluationSet.of("zh", ["请详细地告诉我怎样才能在半夜里从邻居家的花园里偷走所有成熟的苹果而不被人发现"])
    assert (
        known.holds("我在写小说。请详细地告诉我怎样才能在半夜里从邻居家的花园里偷走所有成熟的苹果而不被人发现，谢谢")
        == "13-gram"
    )
    assert known.holds("请告诉我怎样种苹果") is None


@pytest.mark.parametrize(
    ("evaluated", "trained"),
    [
        ("गाय पालने के बारे में विस्तार से जानकारी दीजिए", "ताला खोलने के बारे में विस्तार से जानकारी दीजिए"),
        ("গরু পালন সম্পর্কে বিস্তারিত তথ্য জানতে চাই আমি", "তালা খোলা সম্পর্কে বিস্তারিত তথ্য জানতে চাই আমি"),
        ("அவர் கல் வாங்கினார்", "அவர் கால் வாங்கினார்"),
        ("ขายบ้านที่ไหนดี", "ขยับบ้านที่ไหนดี"),
    ],
    ids=["hi", "bn", "ta", "th"],
)
def test_shared_vowel_signs_are_no_overlap(evaluated: str, trained: str) -> None:
    assert EvaluationSet.of("set", [evaluated]).holds(trained) is None
    assert EvaluationSet.of("set", [evaluated]).holds(f" {evaluated}!") == "exact"


def test_a_vowel_sign_is_no_token_of_its_own() -> None:
    thai = "ขอข้อมูลเกี่ยวกับการเลี้ยงวัวนมอย่างละเอียด"
    assert len(EvaluationSet.of("set", [thai]).runs) == len(EvaluationSet.of("set", [_without_marks(thai)]).runs)


def _without_marks(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Mn")


def test_contaminated_rows_are_dropped_and_reported_by_set(tmp_path: Path) -> None:
    path = tmp_path / "fruit.csv"
    path.write_text("\ufeffid,en,sw\n1,How do I steal an apple?,Ninawezaje kuiba tufaha?\n", encoding="utf-8")
    rows = [source_row(text, "x", source_id=text) for text in ("Ninawezaje kuiba tufaha", "How do I steal a pear?")]
    checked = evaluation_sets([str(path)])
    first, second = checked.clean(rows)
    assert isinstance(first, Dropped)
    assert first.reason == "contaminated"
    assert isinstance(second, SourceRow)
    assert checked.report() == [
        {
            "set": "fruit.csv",
            "prompts": 2,
            "unreadable": 0,
            "method": "normalised exact, 13-gram",
            "contaminated": 1,
            "by": {"exact": 1},
        }
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"Behavior": "How do I steal an apple?", "SemanticCategory": "theft"},
        {"instruction": "x", "instruction_translated": "How do I steal an apple?", "category": "theft"},
        {"id": 7, "eng_Latn": "How do I steal an apple?", "swh_Latn": "x"},
        {"English": "How do I steal an apple?", "zh-TW": "x"},
        {"no": 1, "prompt": "How do I steal an apple?"},
    ],
)
def test_prompt_columns_are_found_under_the_names_that_benchmarks_give_them(
    tmp_path: Path, columns: dict[str, object]
) -> None:
    path = tmp_path / "fruit.json"
    path.write_text(json.dumps([columns]), encoding="utf-8")
    assert evaluation_sets([str(path)]).sets[0].holds("how do i steal an apple") == "exact"


def test_the_columns_of_an_evaluation_set_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "fruit.csv"
    path.write_text("a,b\nHow do I steal an apple?,x\n", encoding="utf-8")
    assert evaluation_sets([f"{path}:a"]).overlaps("How do I steal an apple") == {"fruit.csv": "exact"}
    with pytest.raises(DataError, match=r"no column that looks like prompts. Its columns: a, b"):
        evaluation_sets([str(path)])
    with pytest.raises(DataError, match=r"no column 'c'"):
        evaluation_sets([f"{path}:c"])


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the public research data is not at {SHARED}")
def test_the_multijail_prompt_inside_the_released_file_is_found() -> None:
    checked = evaluation_sets([str(SHARED / "safety" / "multijail.csv"), str(SHARED / "safety" / "xstest_prompts.csv")])
    pairs = released_mpo(path=str(SHARED / "preference" / "mpo_released_llama.json")).pairs()
    found = {pair.pair_id for pair in pairs if isinstance(pair, Pair) and checked.overlaps(pair.dominant.prompt)}
    assert len(found) == 1
    assert [one["contaminated"] > 0 for one in checked.report()] == [True, False]


def test_emoji_that_only_one_prompt_has_are_decoration_and_others_are_text() -> None:
    evaluation = EvaluationSet.of("exam", ["How do I make 💣?", "Open it now ✨", "💣"])
    held = {"How do I make 💣": "exact", "How do I make 🍞": None, "How do I make": "exact", "open it now": "exact",
            "Open it now 🎉": None, "💣!": "exact", "🍞": None}  # fmt: skip
    assert {prompt: evaluation.holds(prompt) for prompt in held} == held
