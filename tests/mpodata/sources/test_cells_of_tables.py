"""Conversations, blanks and labels as tables write them: read for what they are, or the row is dropped by name."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mpodata.errors import DataError
from mpodata.pipeline.select import open_source
from mpodata.recipe import SourceChoice
from mpodata.records import Dropped

ASK, NO, YES = "How do I sulk?", "I cannot help with that.", "Like this."
USER, SAFE, UNSAFE = (
    {"role": "user", "content": ASK},
    {"role": "assistant", "content": NO},
    {"role": "assistant", "content": YES},
)
TEXT = {"prompt": ASK, "chosen": NO, "rejected": YES}
WHOLE = (ASK, NO, YES, "harmful")


def read(
    path: Path, row: dict[str, Any], columns: dict[str, str | int] | None = None, **options: Any
) -> tuple[str, ...]:
    """(prompt, chosen, rejected, kind) of the one row, or (reason,), by the source that the build would take."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, list(row))
            writer.writeheader()
            writer.writerow(row)
    else:
        path.write_text(json.dumps(row), encoding="utf-8")
    source = open_source(choice=SourceChoice(path=str(path), columns=columns or {}), **options)
    (found,) = source.rows()
    return (
        (found.reason,)
        if isinstance(found, Dropped)
        else (found.prompt, found.safe or "", found.unsafe or "", found.kind)
    )


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_messages_written_as_text_are_messages(tmp_path: Path, write: Any) -> None:
    prompted = {"prompt": write([USER]), "chosen": write([SAFE]), "rejected": write([UNSAFE])}
    repeated = {"prompt": ASK, "chosen": write([USER, SAFE]), "rejected": write([USER, UNSAFE])}
    named = {"question": ASK, "good": write([SAFE]), "bad": write(UNSAFE)}
    assert read(tmp_path / "a.csv", prompted) == WHOLE
    assert read(tmp_path / "b.csv", repeated) == WHOLE
    assert read(tmp_path / "c.csv", named, {"prompt": "question", "chosen": "good", "rejected": "bad"}) == WHOLE


def test_messages_written_by_numpy_cannot_be_read_and_are_no_answer(tmp_path: Path) -> None:
    broken = f"[{USER!r}\n {SAFE!r}]"  # no comma between the messages
    assert read(tmp_path / "a.csv", {**TEXT, "chosen": broken}) == ("not-text-chosen",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([USER, SAFE, USER, SAFE], "multi-turn"),
        ([{"role": "system", "content": "x"}, SAFE], "multi-turn"),
        ([{"role": "user", "content": "Something else?"}, SAFE], "different-prompts"),
        ([USER], "no-answer"),
        (f"\n\nHuman: {ASK}\n\nAssistant: a\n\nHuman: And?\n\nAssistant: {NO}", "multi-turn"),
    ],
)
def test_an_answer_that_belongs_to_another_turn_drops_the_row(tmp_path: Path, answer: Any, reason: str) -> None:
    assert read(tmp_path / "a.jsonl", {"instruction": ASK, "chosen": answer, "rejected": YES}) == (reason,)
    named = {"q": ASK, "good": answer, "bad": YES}
    columns: dict[str, str | int] = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    assert read(tmp_path / "b.jsonl", named, columns) == (reason,)


@pytest.mark.parametrize("blank", ["[]", "{}", "null", "None", "nan", "[[]]", False])
def test_what_tables_write_for_an_empty_cell_is_empty(tmp_path: Path, blank: Any) -> None:
    for row in ({"instruction": ASK, "chosen": NO, "rejected": YES}, TEXT):
        assert read(tmp_path / "a.jsonl", {**row, "history": blank, "system": blank, "input": blank}) == WHOLE


@pytest.mark.parametrize("column", ["System Prompt", "system-message", "Chat History", "SYSTEM"])
def test_a_column_is_known_in_whatever_spelling(tmp_path: Path, column: str) -> None:
    assert read(tmp_path / "a.jsonl", {**TEXT, column: "Be rude."}) == ("multi-turn",)


def test_a_conversation_beside_the_prompt_that_holds_earlier_turns_drops_the_row(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", {**TEXT, "messages": [USER, SAFE]}) == WHOLE  # UltraFeedback repeats the pair
    assert read(tmp_path / "b.jsonl", {**TEXT, "messages": [USER, SAFE, USER, SAFE]}) == ("multi-turn",)


@pytest.mark.parametrize("opening", ["\n\nHuman: ", "Human: ", "\r\n\r\nHuman: "])
def test_transcripts_are_known_however_a_table_mended_their_lines(tmp_path: Path, opening: str) -> None:
    between = "\r\n\r\n" if "\r" in opening else "\n\n"
    good, bad = (f"{opening}{ASK}{between}Assistant: {answer}" for answer in (NO, YES))
    assert read(tmp_path / "a.csv", {"chosen": good, "rejected": bad}) == WHOLE
    assert (
        read(tmp_path / "b.csv", {"prompt": f"{opening}{ASK}{between}Assistant:", "chosen": NO, "rejected": YES})
        == WHOLE
    )


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("is_harmful", False, "harmless"), ("is_harmful", "yes", "harmful"), ("is_safe", True, "harmless"),
        ("is_safe", 0, "harmful"), ("toxicity", 0, "harmless"), ("toxicity", "1.0", "harmful"),
        ("Label", "safe ", "harmless"), ("Prompt Harm Label", "unharmful", "harmless"), ("malicious", "no", "harmless"),
        ("category", "benign", "harmless"), ("type", "harmless", "harmless"), ("category", "violence", "harmful"),
    ],
)  # fmt: skip
def test_a_column_that_affirms_or_denies_harm_is_a_label(tmp_path: Path, column: str, value: Any, kind: str) -> None:
    for row in (TEXT, {"question": ASK, "chosen": NO, "rejected": YES}):
        assert read(tmp_path / "a.jsonl", {**row, column: value}) == (*WHOLE[:3], kind)


def test_a_label_of_the_answer_is_no_label_of_the_prompt(tmp_path: Path) -> None:
    row = {"prompt": ASK, "response": YES, "is_safe": True}
    assert read(tmp_path / "a.jsonl", row, {"rejected": "response"})[-1] == "harmful"


def test_a_column_map_is_read_as_a_table_whatever_the_columns_are_called(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", {**TEXT, "better": "No."}, {"chosen": "better"}) == (ASK, "No.", YES, "harmful")


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'quest' for prompt\. Its columns: prompt, chosen, rejected"):
        read(tmp_path / "a.jsonl", TEXT, {"prompt": "quest"})
