"""Recorded answers are given back, in order, and what is missing is said."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.engines import ENGINES, Answer, Sampling
from mpodata.engines.replay import ReplayEngine
from mpodata.errors import ConfigError, DataError
from mpodata.records import Message, assistant_turn, user_turn
from mpodata.registry import construct

ROWS = [
    {"prompt": "bread?", "answer": "flour", "finish": "stop"},
    {"prompt": "lock?", "answer": "no", "finish": "length"},
    {"prompt": "bread?", "answer": "water"},
]


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def engine(tmp_path):
    return ReplayEngine(path=written(tmp_path / "a.jsonl", ROWS), model="someone")


def test_rows_of_one_prompt_are_its_candidates_in_order(engine):
    rows = engine.answers([user_turn("bread?"), user_turn("lock?")], Sampling(candidates=2))
    assert rows == [
        [Answer("flour", "stop"), Answer("water", "stop")],
        [Answer("no", "length"), Answer("", "error")],
    ]


def test_columns_that_only_later_rows_have_are_found(tmp_path):
    late = ReplayEngine(path=written(tmp_path / "a.jsonl", [{"prompt": "door?"}, *ROWS]))
    assert late.answers([user_turn("bread?")], Sampling()) == [[Answer("flour", "stop")]]


def test_a_prompt_nobody_answered_is_an_error_answer(engine):
    assert engine.answers([user_turn("?")], Sampling()) == [[Answer("", "error")]]


def test_the_last_user_turn_is_what_is_looked_up(engine):
    conversation = [Message(role="system", content="x"), *user_turn(" bread?\n")]
    assert engine.answers([conversation], Sampling())[0][0].text == "flour"


def test_an_exchange_is_looked_up_whole_as_a_guard_is_shown_it(tmp_path):
    exchange = [*user_turn("lock?"), *assistant_turn("Use a pin.")]
    rows = [
        {"prompt": exchange, "answer": "unsafe"},
        {"prompt": "lock?", "answer": "harmful"},
        {"messages": None, "prompt": [*user_turn("bread?"), *assistant_turn("Bake.")], "answer": "safe"},
    ]
    engine = ReplayEngine(path=written(tmp_path / "a.jsonl", rows))
    asked = [exchange, user_turn("lock?"), user_turn("bread?"), [*user_turn("lock?"), *assistant_turn("No.")]]
    # An exchange that nobody recorded, and a prompt recorded with an answer alone, are found by the prompt.
    assert [row[0].text for row in engine.answers(asked, Sampling())] == ["unsafe", "harmful", "safe", "harmful"]


def test_other_shapes_of_the_same_answers_are_read(tmp_path):
    columns = {"instruction": ["bread?"], "responses": [["flour", "water"]]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    turns = [{"role": "user", "content": "bread?"}]
    (tmp_path / "b.json").write_text(
        json.dumps([{"messages": turns, "completion": [{"role": "assistant", "content": "flour"}]}]), encoding="utf-8"
    )
    parquet = ReplayEngine(path=str(tmp_path / "a.parquet"), answer="responses")
    chat = ReplayEngine(path=str(tmp_path / "b.json"))
    assert [answer.text for answer in parquet.answers([user_turn("bread?")], Sampling(candidates=2))[0]] == [
        "flour",
        "water",
    ]
    assert chat.answers([user_turn("bread?")], Sampling()) == [[Answer("flour", "stop")]]


@pytest.mark.parametrize(("said", "finish"), [("content_filter", "blocked"), ("eos", "stop"), ("who knows", "error")])
def test_an_unknown_finish_is_never_taken_for_complete(tmp_path, said, finish):
    rows = [{"prompt": "a", "answer": "b", "finish_reason": said}]
    engine = ReplayEngine(path=written(tmp_path / "a.jsonl", rows))
    assert engine.answers([user_turn("a")], Sampling())[0][0].finish == finish


def test_odd_texts_and_broken_lines_do_not_stop_a_replay(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = ['{"prompt": "a\\ud800", "answer": "b\\ud800\\u0000"}', "{broken", '{"prompt": null, "answer": "x"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    [[answer]] = ReplayEngine(path=str(path)).answers([user_turn("a\ud800")], Sampling())
    assert answer.text == "b\ufffd"


def test_a_missing_column_is_named(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"q": "a", "answer": "b"}])
    with pytest.raises(DataError, match=r"no column for the prompt .* It has: q, answer"):
        ReplayEngine(path=path).answers([user_turn("a")], Sampling())
    with pytest.raises(DataError, match="no column for the answer"):
        ReplayEngine(path=path, prompt="q", answer="nothing").answers([user_turn("a")], Sampling())


def test_what_is_recorded_names_the_file_and_whose_answers_they_are(engine):
    provenance = engine.provenance()
    assert provenance["engine"] == "replay"
    assert provenance["model"] == "someone"
    assert provenance["recorded"]["sha256"]


def test_a_path_is_needed():
    with pytest.raises(ConfigError, match="needs path"):
        construct("engine", ENGINES, "replay", {}, model="x")


@pytest.mark.parametrize("column", ["finish", "finish_reason", "finishReason", "stop_reason"])
@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("STOP", "stop"), ("end_turn", "stop"), ("COMPLETE", "stop"), ("MAX_TOKENS", "length"),
        ("content_filter", "blocked"), ("SAFETY", "blocked"), ("refusal", "blocked"),
        (None, "stop"), ("something else", "error"),
    ],
)  # fmt: skip
def test_every_providers_word_for_an_end_is_known(tmp_path, column, said, finish):
    path = written(tmp_path / "a.jsonl", [{"prompt": "bread?", "answer": "flour", column: said}])
    assert ReplayEngine(path=path).answers([user_turn("bread?")], Sampling()) == [[Answer("flour", finish)]]
