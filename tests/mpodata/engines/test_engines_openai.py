"""The OpenAI engine keeps its manners with a server that misbehaves, and tells no secret."""

import asyncio
import json
import time

import pytest

from mpodata.engines import ENGINES, Answer, Sampling
from mpodata.engines.openai import OpenAIEngine
from mpodata.errors import ConfigError, RemoteError
from mpodata.records import Message, user_turn
from mpodata.registry import construct
from tests.fakes.openai import ChatServer, Reply, completion

SECRET = "sk-very-secret-123"
FAILED = Answer("", "error")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def engine(server, **options):
    given = {"first_pause": 0.01, "longest_pause": 0.05, "deadline": 5.0, "attempts": 3} | options
    return OpenAIEngine(model="m", base_url=server.url, **given)


def ask(server, prompts, sampling=None, **options):
    return engine(server, **options).answers([user_turn(text) for text in prompts], sampling or Sampling())


def test_answers_come_in_order_with_bounded_concurrency():
    script = {"*": [Reply(delay=0.02)]}
    with ChatServer(script) as server:
        rows = ask(server, [str(n) for n in range(20)], concurrency=3)
        assert [row[0] for row in rows] == [Answer(f"answer to {n}", "stop", 2) for n in range(20)]
        assert server.at_once <= 3


def test_the_sampling_is_sent_in_full():
    sampling = Sampling(candidates=2, temperature=0.7, top_p=0.9, max_tokens=9, repetition_penalty=1.1, seed=3)
    with ChatServer() as server:
        ask(server, ["a", "b"], sampling)
        bodies = server.requests
    assert len(bodies) == 4
    assert len({body["seed"] for body in bodies}) == 4
    for body in bodies:
        assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.9, 9)
        assert body["repetition_penalty"] == 1.1
        assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_greedy_candidates_are_paid_for_once():
    with ChatServer() as server:
        [row] = ask(server, ["a"], Sampling(candidates=3))
        assert len(row) == 3
        assert len(server.requests) == 1


def test_a_primed_turn_is_left_open():
    with ChatServer() as server:
        ask(server, ["a"], Sampling(prefix="<translated>"))
        [body] = server.requests
    assert body["messages"][-1] == {"role": "assistant", "content": "<translated>"}
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(500, {"error": {"message": "oops"}}),
        Reply(503, b"<html>busy</html>"),
        Reply(429, {"error": {"message": "slow down"}}),
        Reply(200, b"not json"),
        Reply(200, {"choices": []}),
        Reply(200, b"[1, 2]"),
        Reply(200, b"hello", {"content-type": "text/html"}),
        Reply(200, completion(None) | {"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]}),
        Reply(drop=True),
        Reply(delay=1.0),
    ],
    ids=["500", "503", "429", "no-json", "no-choices", "a-list", "html", "content-is-no-text", "dropped", "hangs"],
)
def test_a_passing_trouble_is_asked_again(trouble):
    with ChatServer({"a": [trouble, Reply()]}) as server:
        deadline = 0.3 if trouble.delay else 5.0
        assert ask(server, ["a"], deadline=deadline) == [[Answer("answer to a", "stop", 2)]]
        assert len(server.times["a"]) == 2


def test_a_request_that_fails_for_good_is_an_error_answer_and_the_others_stand():
    with ChatServer({"bad": [Reply(500, {})], "long": [Reply(400, {"error": {"message": "too long"}})]}) as server:
        rows = ask(server, ["bad", "good", "long"])
        assert rows == [[FAILED], [Answer("answer to good", "stop", 2)], [FAILED]]
        assert len(server.times["bad"]) == 3
        assert len(server.times["long"]) == 1  # asking again cannot help


def test_one_bad_prompt_in_a_block_of_its_own_does_not_stop_a_build():
    with ChatServer({"long": [Reply(400, {"error": {"message": "too long"}})]}) as server:
        made = engine(server)
        assert made.answers([user_turn("good")], Sampling())[0][0].finish == "stop"
        assert made.answers([user_turn("long")], Sampling()) == [[FAILED]]


def test_retry_after_is_honoured():
    with ChatServer({"a": [Reply(429, {}, {"retry-after": "1"}), Reply()]}) as server:
        ask(server, ["a"])
        first, second = server.times["a"]
    assert second - first >= 1.0


def test_a_server_that_asks_for_an_hour_is_not_waited_for():
    script = {"a": [Reply(429, {}, {"retry-after": "3600"})]}
    with ChatServer(script) as server:
        began = time.monotonic()
        assert ask(server, ["a", "b"])[0] == [FAILED]
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("finish", ["length", "tool_calls", None, "max_tokens"])
def test_answers_cut_short_are_never_complete(finish):
    with ChatServer({"a": [Reply(200, completion("x", finish))]}) as s:
        assert ask(s, ["a"]) == [[Answer("x", "length", 2)]]


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY", "PROHIBITED_CONTENT", "refusal"])
@pytest.mark.parametrize("text", ["", None, "I can explain how"])
def test_an_answer_that_the_providers_filter_withheld_is_blocked_and_asked_once(finish, text):
    with ChatServer({"a": [Reply(200, completion(text, finish))]}) as s:
        assert ask(s, ["a"]) == [[Answer(text or "", "blocked", 2)]]
        assert len(s.requests) == 1


def test_a_prompt_that_the_providers_filter_turned_away_is_blocked():
    error = {"error": {"message": "The response was filtered", "code": "content_filter", "status": 400}}
    with ChatServer({"a": [Reply(400, error)]}) as s:
        assert ask(s, ["a"]) == [[Answer("", "blocked")]]
        assert len(s.requests) == 1


def test_a_refusal_in_its_own_field_is_the_answer():
    message = {"role": "assistant", "content": None, "refusal": "I can't."}
    with ChatServer({"a": [Reply(200, {"choices": [{"message": message, "finish_reason": "stop"}]})]}) as server:
        assert ask(server, ["a"])[0][0].text == "I can't."


def test_a_server_that_is_down_is_left_alone_after_a_while():
    with ChatServer({"*": [Reply(500, {})]}) as server:
        with pytest.raises(RemoteError, match=r"answered none of 200 requests for model 'm': status 500"):
            ask(server, [str(n) for n in range(200)], concurrency=2)
        assert len(server.requests) < 40  # not 200 x 3


def test_nobody_listening_is_said_in_one_sentence():
    with ChatServer() as server:
        pass
    with pytest.raises(RemoteError, match="no connection"):
        ask(server, ["a"], attempts=2)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_stops_at_once_and_is_not_shown(status):
    reply = Reply(status, {"error": {"message": f"Incorrect API key provided: {SECRET}"}})
    with ChatServer({"*": [reply]}) as server:
        with pytest.raises(RemoteError, match=r"does not accept the key in \$OPENAI_API_KEY") as caught:
            ask(server, [str(n) for n in range(50)], concurrency=2)
        assert len(server.requests) < 10
    assert SECRET not in str(caught.value)


def test_no_secret_is_recorded_or_told():
    with ChatServer({"*": [Reply(400, {"error": {"message": f"bad request with {SECRET}"}})]}) as server:
        address = server.url.replace("//", "//user:pass@")
        made = OpenAIEngine(model="m", base_url=address + "?token=abc")
        recorded = json.dumps(made.provenance())
        assert server.url in recorded
        for hidden in (SECRET, "pass", "abc"):
            assert hidden not in recorded
        with pytest.raises(RemoteError) as caught:
            ask(server, ["a"])
        assert SECRET not in str(caught.value)
        assert server.keys == {f"Bearer {SECRET}"}


def test_a_missing_key_is_said_in_one_sentence(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="Set the environment variable OPENAI_API_KEY"):
        construct("engine", ENGINES, "openai", {"model": "m"}).answers([user_turn("a")], Sampling())
    with ChatServer() as server:  # a local server needs none
        assert ask(server, ["a"])[0][0].finish == "stop"


def test_it_works_inside_a_running_event_loop():
    async def notebook(server):
        return ask(server, ["a"])

    with ChatServer() as server:
        assert asyncio.run(notebook(server))[0][0].text == "answer to a"


def test_odd_texts_are_sent(tmp_path):
    with ChatServer() as server:
        conversation = [Message(role="user", content="a\ud800\x00\u202e")]
        assert engine(server).answers([conversation], Sampling())[0][0].finish == "stop"


def test_no_requests_no_server():
    assert OpenAIEngine(model="m", base_url="http://127.0.0.1:9/v1").answers([], Sampling()) == []


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x/v1", "http://", "http://x:y/v1", "x", "http://u:p@:1"])
def test_an_address_that_is_none_is_refused_without_repeating_it(address):
    with pytest.raises(ConfigError, match="must be a server's address") as caught:
        OpenAIEngine(model="m", base_url=address)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"attempts": 0}, {"deadline": 0}])
def test_settings_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError, match="must be at least 1"):
        OpenAIEngine(model="m", **options)
