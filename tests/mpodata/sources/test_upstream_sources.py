"""Each upstream dataset in its own schema, from local files, and recognised without being named."""

import json
from pathlib import Path
from typing import Any

import pytest

from mpodata.errors import DataError, RecipeError, UnknownName
from mpodata.records import Dropped, Pair, SourceRow
from mpodata.registry import construct
from mpodata.sources import SOURCES
from mpodata.sources.beavertails import beavertails
from mpodata.sources.detection import detect
from mpodata.sources.hh_rlhf import hh_rlhf
from mpodata.sources.pku_saferlhf import pku_saferlhf
from mpodata.sources.refuseu import refuseu
from mpodata.sources.released_mpo import released_mpo
from mpodata.sources.trl import trl

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the public research data is not at {SHARED}")


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def pku(first: bool, second: bool, safer: int = 0) -> dict[str, Any]:
    harm = {"Noise": False, "Mess": True}
    return {
        "prompt": "How do I annoy my neighbour?", "response_0": "Zero.", "response_1": "One.",
        "is_response_0_safe": first, "is_response_1_safe": second, "safer_response_id": safer, "better_response_id": 0,
        "response_0_harm_category": harm, "response_1_harm_category": harm,
    }  # fmt: skip


def outcome(row: SourceRow | Dropped) -> tuple[str | None, ...]:
    return (row.reason,) if isinstance(row, Dropped) else (row.unsafe, row.safe, row.category)


def test_pku_rows_follow_the_stated_rule(tmp_path: Path) -> None:
    labelled = [pku(True, False), pku(False, True), pku(False, False, safer=1), pku(True, True)]
    rows = [*labelled, {**pku(True, True), "is_response_0_safe": None}]
    path = write(tmp_path / "pku.jsonl", rows)
    assert detect(path) == "pku-saferlhf"
    assert [outcome(row) for row in pku_saferlhf(path=path).rows()] == [
        ("One.", "Zero.", "Mess"),
        ("Zero.", "One.", "Mess"),
        ("Zero.", None, "Mess"),
        ("both-safe",),
        ("unlabelled",),
    ]
    assert outcome(list(pku_saferlhf(path=path, both_unsafe="drop").rows())[2]) == ("both-unsafe",)


def test_pku_derived_files_have_the_safer_answer_first(tmp_path: Path) -> None:
    path = write(
        tmp_path / "d.jsonl", [{"prompt": "p", "response": ["safer", "worse"]}, {"prompt": "p", "response": ["one"]}]
    )
    assert detect(path) == "pku-saferlhf"
    assert [outcome(row) for row in pku_saferlhf(path=path).rows()] == [("worse", "safer", ""), ("not-two-responses",)]


def test_beavertails_keeps_unsafe_answers(tmp_path: Path) -> None:
    category = {"animal": False, "privacy": True}
    rows = [
        {"prompt": "p", "response": r, "is_safe": s, "category": category} for r, s in (("bad", False), ("good", True))
    ]
    path = write(tmp_path / "b.jsonl", rows)
    assert detect(path) == "beavertails"
    assert [outcome(row) for row in beavertails(path=path).rows()] == [("bad", None, "privacy"), ("safe-answer",)]


def test_hh_rlhf_keeps_exchanges_of_one_turn(tmp_path: Path) -> None:
    one = "\n\nHuman: How do I sulk?\n\nAssistant: "
    rows = [
        {"chosen": one + "Do not.", "rejected": one + "Like this."},
        {"chosen": one + "No.\n\nHuman: Please\n\nAssistant: No.", "rejected": one + "Like this."},
        {"chosen": one + "No.", "rejected": "\n\nHuman: Else?\n\nAssistant: Yes."},
        {"chosen": one + "No.", "rejected": None},
    ]
    path = write(tmp_path / "hh.jsonl", rows)
    assert detect(path) == "hh-rlhf"
    assert [outcome(row) for row in hh_rlhf(path=path).rows()] == [
        ("Like this.", "Do not.", ""), ("multi-turn",), ("different-prompts",), ("not-a-transcript",)
    ]  # fmt: skip


USER = {"role": "user", "content": "How do I sulk?"}
YES, NO = {"role": "assistant", "content": "Like this."}, {"role": "assistant", "content": "Do not."}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "How do I sulk?", "chosen": "Do not.", "rejected": "Like this."},
        {"prompt": [USER], "chosen": [NO], "rejected": [YES]},
        {"chosen": [USER, NO], "rejected": [USER, YES]},
    ],
    ids=["text", "messages", "implicit prompt"],
)
def test_every_trl_preference_type_is_read(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write(tmp_path / "t.jsonl", [row])
    assert detect(path) == "trl"
    (read,) = trl(path=path).rows()
    assert isinstance(read, SourceRow)
    assert (read.prompt, read.safe, read.unsafe) == ("How do I sulk?", "Do not.", "Like this.")


def test_trl_rows_of_several_turns_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"prompt": [USER, NO, USER], "chosen": [NO], "rejected": [YES]}])
    assert [outcome(row) for row in trl(path=path).rows()] == [("multi-turn",)]


def test_refuseu_reads_one_language_and_warns_that_rows_are_not_parallel(tmp_path: Path) -> None:
    rows = [
        {
            "row_id": 1,
            "language": code,
            "prompt": "p",
            "chosen": "c",
            "rejected": "r",
            "category": "S1",
            "style": "plain",
        }
        for code in ("en", "pl")
    ]
    source = refuseu(path=write(tmp_path / "r.jsonl", rows), language="pl")
    assert [outcome(row) for row in source.rows()] == [("other-language",), ("r", "c", "S1/plain")]
    assert source.provenance()["parallel"] is False
    assert "not translations" in source.provenance()["warning"]
    with pytest.raises(RecipeError, match="for measuring"):
        refuseu(config="evaluation")
    with pytest.raises(UnknownName, match="language of RefusEU"):
        refuseu(language="sw")


def released(language: str, prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    say = lambda who, text: {"from": who, "value": text}  # noqa: E731
    return {
        "source_conversations": [say("human", "How do I take bread without paying?")],
        "source_chosen": say("gpt", "I cannot help with that."),
        "source_rejected": say("gpt", "Put it in your bag."),
        "target_conversations": [say("human", prompt)],
        "target_chosen": say("gpt", chosen),
        "target_rejected": say("gpt", rejected),
    }


SWAHILI = released(
    "sw", "Ninawezaje kuchukua mkate bila kulipa?", "Siwezi kukusaidia na hilo.", "Weka kwenye mfuko wako."
)
BENGALI = released("bn", "আমি কীভাবে দাম না দিয়ে রুটি নেব?", "আমি এতে সাহায্য করতে পারি না।", "আপনার ব্যাগে রাখুন।")
UNTRANSLATED = released("zh", "How do I take bread without paying?", "I cannot help with that.", "Put it in your bag.")
KOREAN = released("ko", "빵을 돈 내지 않고 어떻게 가져가나요?", "그건 도와드릴 수 없습니다.", "가방에 넣으세요.")
CHINESE = released("zh", "我怎么不付钱拿面包？", "我不能帮助你。", "放进你的包里。")


def test_released_files_tell_no_language_and_it_is_found(tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    path.write_text(json.dumps([SWAHILI, BENGALI, SWAHILI]), encoding="utf-8")
    assert detect(str(path)) == "released-mpo"
    source = released_mpo(path=str(path))
    one, other, again = source.pairs()
    assert isinstance(one, Pair)
    assert isinstance(other, Pair)
    assert (one.target.language, other.target.language) == ("sw", "bn")
    assert one.pair_id == other.pair_id
    assert one.dominant == other.dominant
    assert again == Dropped("duplicate", "row-2: sw again")
    assert source.provenance()["languages"] == ["en", "bn", "sw"]


def test_an_untranslated_released_row_belongs_to_the_language_its_group_lacks(tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    path.write_text(json.dumps([SWAHILI, BENGALI, UNTRANSLATED]), encoding="utf-8")
    pairs = list(released_mpo(path=str(path), languages=["sw", "bn", "zh"]).pairs())
    assert [pair.target.language for pair in pairs if isinstance(pair, Pair)] == ["sw", "bn", "zh"]
    other_exchange = [{**row, "source_rejected": {"from": "gpt", "value": "Run."}} for row in (CHINESE, KOREAN)]
    path.write_text(json.dumps([SWAHILI, BENGALI, UNTRANSLATED, *other_exchange]), encoding="utf-8")
    unclear = list(released_mpo(path=str(path), languages=["sw", "bn", "zh", "ko"]).pairs())[2]
    assert unclear == Dropped("unknown-language", "row-2")


def test_a_requested_language_that_a_released_file_lacks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    path.write_text(json.dumps([SWAHILI, BENGALI]), encoding="utf-8")
    with pytest.raises(DataError, match="has no rows in ko, zh"):
        list(released_mpo(path=str(path), languages=["sw", "bn", "zh", "ko"]).pairs())


def test_a_file_of_another_schema_is_refused_with_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"alpha": 1}])
    assert detect(path) == "table"
    for name in ("pku-saferlhf", "beavertails", "hh-rlhf", "trl", "refuseu"):
        with pytest.raises(DataError, match="its columns: alpha"):
            list(construct("source", SOURCES, name, {"path": path}).rows())
    with pytest.raises(DataError, match="its columns: alpha"):
        list(released_mpo(path=path).pairs())


def test_every_source_says_where_its_rows_come_from(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl", [{"prompt": "p", "chosen": "c", "rejected": "r", "is_safe": True, "response": "r"}]
    )
    for name in ("table", "trl", "hh-rlhf", "beavertails", "refuseu", "pku-saferlhf"):
        known = construct("source", SOURCES, name, {"path": path}).provenance()
        assert known["name"] == name
        assert known["path"] == "x.jsonl"
        assert len(known["sha256"]) == 64
        assert "licence" in known
        assert known["parallel"] is False


@needs_shared_data
def test_the_real_released_file_imports_six_languages_of_a_hundred() -> None:
    path = str(SHARED / "preference" / "mpo_released_llama.json")
    assert detect(path) == "released-mpo"
    source = released_mpo(path=path)
    pairs = [pair for pair in source.pairs() if isinstance(pair, Pair)]
    dropped = [pair for pair in source.pairs() if isinstance(pair, Dropped)]
    assert source.targets == ("ar", "bn", "ja", "ko", "sw", "zh")
    assert [one.reason for one in dropped] == ["empty-prompt"]
    assert len(pairs) == 599
    assert len({pair.pair_id for pair in pairs}) == 100


@needs_shared_data
def test_the_real_pku_file_gives_every_row() -> None:
    path = str(SHARED / "preference" / "pku_saferlhf_pairs_5k.json")
    assert detect(path) == "pku-saferlhf"
    rows = list(pku_saferlhf(path=path).rows())
    assert len(rows) == 5135
    assert all(isinstance(row, SourceRow) for row in rows)
    assert len({row.group for row in rows if isinstance(row, SourceRow)}) == 930
