"""What changes the meaning of a row is used or the row is dropped by name; labels and languages are never guessed."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.records import Dropped, SourceRow
from mpodata.registry import construct
from mpodata.sources import SOURCES
from mpodata.sources.beavertails import beavertails
from mpodata.sources.detection import detect
from mpodata.sources.pku_saferlhf import pku_saferlhf
from mpodata.sources.refuseu import refuseu
from mpodata.sources.table import table
from mpodata.sources.trl import trl

ASK, NO, YES = "How do I sulk?", "I cannot help with that.", "Like this."


def turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


USER, SAFE, UNSAFE = turn("user", ASK), turn("assistant", NO), turn("assistant", YES)
TEXT = {"prompt": ASK, "chosen": NO, "rejected": YES}


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def read(path: str, **options: Any) -> list[tuple[str, ...]]:
    """(prompt, chosen, rejected, kind) of each row, or (reason,), by the source that recognises the file."""
    source = {"trl": trl, "table": table, "refuseu": refuseu}[detect(path)](path=path, **options)
    return [
        (row.reason,) if isinstance(row, Dropped) else (row.prompt, row.safe or "", row.unsafe or "", row.kind)
        for row in source.rows()
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**TEXT, "history": [["Before?", "Yes."]]}, "multi-turn"),
        ({**TEXT, "system": "你是一名保安。"}, "multi-turn"),
        ({**TEXT, "system_prompt": "Be kind."}, "multi-turn"),
        ({**TEXT, "input": "the note"}, "unused-context"),
        ({**TEXT, "context": "পাঠ্য"}, "unused-context"),
        ({**TEXT, "Sys_Prompt": "তুমি একজন প্রহরী।"}, "multi-turn"),
        ({**TEXT, "previous_messages": [USER, SAFE]}, "multi-turn"),
        ({**TEXT, "messages": [USER, SAFE, USER]}, "multi-turn"),
        ({**TEXT, "num_turns": 3}, "multi-turn"),
        ({**TEXT, "turn": "2"}, "multi-turn"),
        ({**TEXT, "passage": "เรื่องของกุญแจ"}, "unused-context"),
        ({**TEXT, "Persona": "Ein Wachmann"}, "unused-context"),
        ({**TEXT, "images": ["a.png"]}, "needs-media"),
        ({**TEXT, "tools": '[{"name": "search"}]'}, "needs-tools"),
        ({"prompt": [USER, SAFE, USER], "chosen": [SAFE], "rejected": [UNSAFE]}, "multi-turn"),
        ({"prompt": [turn("system", "x"), USER], "chosen": [SAFE], "rejected": [UNSAFE]}, "multi-turn"),
        ({"prompt": [USER, SAFE, USER], "chosen": NO, "rejected": YES}, "multi-turn"),
        ({"chosen": [USER, SAFE], "rejected": [turn("user", "Else?"), UNSAFE]}, "different-prompts"),
        ({"prompt": "Else?", "chosen": [USER, SAFE], "rejected": [USER, UNSAFE]}, "different-prompts"),
        (
            {"instruction": "And how do I hide it?", "history": [["a", "b"]], "chosen": NO, "rejected": YES},
            "multi-turn",
        ),
        ({"Behavior": ASK, "ContextString": "a text", "rejected": YES}, "unused-context"),
        ({**TEXT, "kind": "hazardous"}, "unknown-kind"),
        ({**TEXT, "label": 0}, "unknown-kind"),
        ({**TEXT, "label": "ไม่แน่ใจ"}, "unknown-kind"),
    ],
)
def test_a_row_that_cannot_be_used_whole_is_dropped_by_name(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    options = {"columns": {"prompt": "Behavior"}} if "Behavior" in row else {}
    assert read(write(tmp_path / "a.jsonl", row), **options) == [(reason,)]


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({**TEXT, "history": [], "system": "", "input": " ", "images": None, "context": [""]}, ASK),
        ({**TEXT, "num_turns": 1, "turn": "1", "passage": "", "messages": [USER, SAFE]}, ASK),
        ({"instruction": "Do it.", "input": "By Friday.", "chosen": NO, "rejected": YES}, "Do it.\nBy Friday."),
        ({"instruction": "重写便条。", "input": "付钱。", "chosen": NO, "rejected": YES}, "重写便条。\n付钱。"),
        ({"instruction": ASK, "input": "", "chosen": NO, "rejected": YES}, ASK),
        ({"prompt": ASK, "chosen": [USER, SAFE], "rejected": [USER, UNSAFE]}, ASK),
        ({"prompt": [USER], "chosen": [USER, SAFE], "rejected": [USER, UNSAFE]}, ASK),
        ({"conversations": [{"from": "human", "value": ASK}], "chosen": SAFE, "rejected": UNSAFE}, ASK),
        ({"input": ASK, "chosen": NO, "rejected": YES}, ASK),
        ({"Prompt": ASK, "Chosen": NO, "Rejected": YES}, ASK),
    ],
)  # fmt: skip
def test_what_belongs_to_the_prompt_is_in_it(tmp_path: Path, row: dict[str, Any], prompt: str) -> None:
    assert read(write(tmp_path / "a.jsonl", row)) == [(prompt, NO, YES, "harmful")]


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("harmless", "harmless"), ("unharmful", "harmless"), ("Non-harmful", "harmless"), ("safe", "harmless"),
        ("benign", "harmless"), ("harmful", "harmful"), ("unsafe", "harmful"),
    ],
)  # fmt: skip
def test_a_label_decides_the_kind_in_the_trl_and_the_table_source(tmp_path: Path, label: Any, kind: str) -> None:
    for name, rows in (("trl", [TEXT]), ("table", [{"instruction": ASK, "chosen": NO, "rejected": YES}])):
        path = write(tmp_path / f"{name}.jsonl", *({**row, "label": label} for row in rows))
        assert detect(path) == name
        assert [row[3] for row in read(path)] == [kind]


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("prompt_type", "benign", "harmless"), ("Category", "Benign", "harmless"), ("safety", "safe", "harmless"),
        ("gold_label", "unharmful", "harmless"), ("data_type", "vanilla_benign", "harmless"),
        ("data_type", "adversarial_harmful", "harmful"), ("harm", False, "harmless"), ("unsafe", False, "harmless"),
        ("toxicity_label", "0", "harmless"), ("prompt_safety", "安全", "harmless"), ("labels", "유해", "harmful"),
        ("category", "theft", "harmful"), ("prompt_type", "question", "harmful"), ("class", "S1", "harmful"),
        ("subset", "harmless", "harmful"), ("harmfulness", 0.1, "harmful"),
    ],
)  # fmt: skip
def test_a_column_beside_the_usual_ones_says_the_kind_where_its_value_is_one(
    tmp_path: Path, column: str, value: Any, kind: str
) -> None:
    """ "harmless" names a part of HH-RLHF whose prompts are harmful, and 0.1 is no kind: neither is taken as one."""
    assert [row[3] for row in read(write(tmp_path / "a.jsonl", {**TEXT, column: value}))] == [kind]


@pytest.mark.parametrize("blank", [None, "", " ", float("nan")])
def test_a_row_that_leaves_its_label_blank_is_not_guessed_to_be_harmful(tmp_path: Path, blank: Any) -> None:
    rows = read(write(tmp_path / "a.jsonl", {**TEXT, "label": "safe"}, {**TEXT, "label": blank}))
    assert [row[-1] for row in rows] == ["harmless", "unlabelled"]


def test_a_row_that_has_no_label_at_all_is_what_its_source_is_said_to_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", TEXT, {**TEXT, "kind": "harmless"})
    assert [row[-1] for row in read(path)] == ["harmful", "harmless"]
    table_rows = [{"instruction": ASK, "chosen": NO, "rejected": YES}] * 2
    path = write(tmp_path / "b.jsonl", {**table_rows[0], "label": "safe"}, table_rows[1])
    assert [row[-1] for row in read(path, kind="harmful")] == ["harmless", "harmful"]


def test_a_source_of_harmless_prompts_takes_rows_as_such_where_no_column_says_more(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", TEXT), kind="harmless")[0][3] == "harmless"
    marked = write(tmp_path / "b.jsonl", TEXT, {**TEXT, "kind": "harmless"})
    assert [row[-1] for row in read(marked, kind="harmless")] == ["harmless", "harmless"]


def test_counterweight_rows_of_an_exported_version_stay_harmless(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", {**TEXT, "category": "counterweight"}))[0][3] == "harmless"


@pytest.mark.parametrize("column", ["language", "lang", "Language", "LANG", "prompt_language", "Lang-ID"])
def test_rows_in_another_language_than_the_dominant_one_are_dropped(tmp_path: Path, column: str) -> None:
    labels = ["eng_Latn", "English", "en-US", "zh-TW", "sp", "klingon", None]
    path = write(tmp_path / "a.jsonl", *({**TEXT, column: label} for label in labels))
    assert [row[0] for row in read(path, dominant="en")] == [
        ASK, ASK, ASK, "other-language", "other-language", "unknown-language", ASK
    ]  # fmt: skip
    assert [row[0] for row in read(path)] == [ASK] * len(labels)


def refuseu_row(code: str, **changed: Any) -> dict[str, Any]:
    """A row with the columns of the published dataset: no prompt among them."""
    return {
        "chosen": [USER, SAFE], "rejected": [USER, UNSAFE], "lang": code, "id": f"{code}-7", "row_id": 7,
        "category": "S1", **changed,
    }  # fmt: skip


def test_refuseu_is_read_in_its_published_columns(tmp_path: Path) -> None:
    several = [USER, SAFE, USER, UNSAFE]
    path = write(
        tmp_path / "r.jsonl", refuseu_row("en"), refuseu_row("pl"), refuseu_row("en", chosen=several, rejected=several)
    )
    assert detect(path) == "refuseu"
    assert read(path) == [(ASK, NO, YES, "harmful"), ("other-language",), ("multi-turn",)]
    assert [row[0] for row in read(path, dominant="pl")] == ["other-language", ASK, "other-language"]
    assert refuseu(path=path).columns == {
        "chosen": "chosen", "rejected": "rejected", "category": "category", "language": "lang", "id": "row_id"
    }  # fmt: skip


def test_labels_of_tables_are_read_as_those_of_the_hub(tmp_path: Path) -> None:
    beaver = tmp_path / "b.csv"
    beaver.write_text(
        "prompt,response,is_safe,category\n"
        f"{ASK},{YES},False,\"{{'noise': False, 'mess': True}}\"\n{ASK},{NO},True,x\n{ASK},{NO},perhaps,x\n",
        encoding="utf-8",
    )
    assert detect(str(beaver)) == "beavertails"
    first, *others = beavertails(path=str(beaver)).rows()
    assert isinstance(first, SourceRow)
    assert (first.unsafe, first.category) == (YES, "mess")
    assert [row.reason for row in others if isinstance(row, Dropped)] == ["safe-answer", "unlabelled"]
    pku = tmp_path / "p.csv"
    names = "prompt,response_0,response_1,is_response_0_safe,is_response_1_safe,safer_response_id"
    pku.write_text(f"{names}\n{ASK},{NO},{YES},True,False,0\n{ASK},{NO},{YES},0,0,0\n", encoding="utf-8")
    assert detect(str(pku)) == "pku-saferlhf"
    assert [(row.unsafe, row.safe) for row in pku_saferlhf(path=str(pku)).rows() if isinstance(row, SourceRow)] == [
        (YES, NO),
        (YES, None),
    ]


def test_a_local_file_of_an_english_dataset_is_not_called_english(tmp_path: Path) -> None:
    row = {"prompt": "我怎么生闷气？", "response": "就这样。", "is_safe": False}
    assert "languages" not in beavertails(path=write(tmp_path / "b.jsonl", row)).provenance()
    assert beavertails().upstream.is_hub


HH = "\n\nHuman: How do I sulk?\n\nAssistant: "
PUBLISHED: dict[str, dict[str, Any]] = {
    "pku-saferlhf": {
        "prompt": ASK, "response_0": NO, "response_1": YES, "prompt_source": "x", "response_0_source": "y",
        "is_response_0_safe": True, "is_response_1_safe": False, "safer_response_id": 0, "better_response_id": 0,
        "response_1_harm_category": {"Noise": False, "Mess": True}, "response_1_severity_level": 1,
    },
    "beavertails": {"prompt": ASK, "response": YES, "category": {"a": False, "b": True}, "is_safe": False},
    "hh-rlhf": {"chosen": HH + NO, "rejected": HH + YES},
    "refuseu": refuseu_row("en"),
    "trl": {"prompt": [USER], "chosen": [SAFE], "rejected": [UNSAFE], "score_chosen": 9.0},
    "table": {"instruction": ASK, "input": "", "chosen": NO, "rejected": YES},
}  # fmt: skip


@pytest.mark.parametrize("kind_of_file", ["parquet", "jsonl.gz", "json"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_source_reads_its_published_columns_in_every_kind_of_file(
    tmp_path: Path, name: str, kind_of_file: str
) -> None:
    path, rows = tmp_path / f"train.{kind_of_file}", [PUBLISHED[name]] * 2
    if kind_of_file == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind_of_file == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert detect(str(path)) == name
    source = construct("source", SOURCES, name, {"path": str(path)})
    assert [(row.prompt, row.unsafe) for row in source.rows()] == [(ASK, YES)] * 2
