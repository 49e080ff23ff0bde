"""Networks break and servers are hostile: every fault is a failed request, bounded in time and bytes, and retried."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from mpodata.engines import Answer, Sampling
from mpodata.engines.openai import OpenAIEngine
from mpodata.errors import RemoteError
from mpodata.records import Dropped, user_turn
from mpodata.runtime.http import HttpClient
from mpodata.runtime.journal import Journal
from mpodata.runtime.remote import Unanswered
from mpodata.translators.google import google
from tests.fakes import raw
from tests.fakes.openai import ChatServer, Reply, completion
from tests.fakes.raw import RawServer, whole

JSON = "Content-Type: application/json"
DEEP = b'{"choices":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
FAULTS = {
    name: getattr(raw, name)
    for name in (
        "half_body", "no_answer", "stalls_in_header", "drips_headers", "stalls_in_body", "bad_gzip", "broken_gzip",
        "gzip_bomb", "endless", "other_compression", "no_http",
    )
}  # fmt: skip
FAULTS["two-lengths"] = partial(whole, b"{}", "Content-Length: 7")
FAULTS["redirect-elsewhere"] = partial(
    whole, b"", "Location: http://127.0.0.2:9/v1/chat/completions", status="307 Temporary Redirect"
)
FAULTS["redirect-for-ever"] = partial(whole, b"", "Location: /v1/chat/completions", status="307 Temporary Redirect")
BODIES = {
    "infinity": b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], '
    b'"usage": {"completion_tokens": 1e999}}',
    "deep": DEEP,
    "long-number": b'{"choices": ' + b"9" * 5000 + b"}",
    "no-utf-8": b'{"choices": "\xff\xfe"}',
    "a-number": b"7",
}
PAGE = b'<html><body><div class="result-container">%s</div></body></html>'


@pytest.mark.parametrize("fault", [*FAULTS, *BODIES])
def test_an_openai_server_that_misbehaves_is_asked_again_and_then_counted(fault):
    script = FAULTS.get(fault) or partial(whole, BODIES[fault], JSON)
    good = partial(whole, json.dumps(completion("fine")).encode(), JSON)
    options = {"deadline": 0.6, "first_pause": 0.01, "attempts": 2}
    began = time.monotonic()
    with RawServer(script, good) as server:
        engine = OpenAIEngine(model="m", base_url=f"{server.origin}/v1", **options)
        if fault == "redirect-for-ever":  # three redirects take the good answer with them
            assert engine.answers([user_turn("a")], Sampling())[0][0].finish == "stop"
            return
        assert engine.answers([user_turn("a")], Sampling()) == [[Answer("fine", "stop", 2)]]
    with RawServer(script) as server:
        engine = OpenAIEngine(model="m", base_url=f"{server.origin}/v1", **options)
        engine._answered_before = True  # one failed request is then a failed answer, and no reason to stop a build
        assert engine.answers([user_turn("a")], Sampling()) == [[Answer("", "error")]]
    assert time.monotonic() - began < 20  # seconds


def test_prompts_are_not_sent_on_to_another_address():
    with ChatServer() as other:
        elsewhere = partial(whole, b"", f"Location: {other.url}/chat/completions", status="307 Temporary Redirect")
        with RawServer(elsewhere) as server:
            engine = OpenAIEngine(model="m", base_url=f"{server.origin}/v1", attempts=1)
            with pytest.raises(RemoteError, match="redirects to another address"):
                engine.answers([user_turn("a secret plan")], Sampling())
        assert other.requests == []


@pytest.mark.parametrize("fault", [*FAULTS, "unknown-charset"])
def test_googles_page_is_asked_again_and_a_build_goes_on(fault):
    good = partial(whole, PAGE % "Привет всем.".encode(), "Content-Type: text/html; charset=utf-8")
    charset = partial(whole, PAGE % "Привет всем.".encode(), "Content-Type: text/html; charset=klingon-8")
    script = FAULTS.get(fault, charset)
    options = {"rate": 1000.0, "deadline": 0.6, "attempts": 2, "first_pause": 0.01}
    began = time.monotonic()
    with RawServer(script, good) as server:
        assert google(endpoint=f"{server.origin}/m", **options).texts(["Hello all."], "en", "ru") == ["Привет всем."]
    if fault == "unknown-charset":
        return
    with RawServer(script) as server:
        [result] = google(endpoint=f"{server.origin}/m", **options).texts(["Hello all."], "en", "ru")
    assert isinstance(result, Dropped)
    assert result.reason == "service"
    assert time.monotonic() - began < 20  # seconds


@pytest.mark.parametrize("fault", ["gzip_bomb", "endless"])
def test_an_answer_without_end_takes_little_memory(fault):
    with RawServer(FAULTS[fault]) as server:
        tracemalloc.start()
        with pytest.raises(Unanswered, match="too large"):
            HttpClient(server.origin, 20.0, 1 << 20).request("GET", server.origin)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 << 20  # bytes, and not 300 MB


def test_a_redirect_within_the_origin_is_followed():
    moved = partial(whole, b"", "Location: /there", status="302 Found")
    with RawServer(moved, partial(whole, b"here")) as server:
        assert HttpClient(server.origin, 5.0).request("GET", server.origin).text == "here"


def test_compressed_answers_are_read():
    import gzip

    with RawServer(partial(whole, gzip.compress("çà".encode()), "Content-Encoding: gzip")) as server:
        assert HttpClient(server.origin, 5.0).request("GET", server.origin).text == "çà"


def test_an_answer_with_lone_surrogates_and_nul_never_reaches_the_journal_as_it_is(tmp_path):
    body = b'{"choices":[{"message":{"content":"a\\ud800b\\u0000c"},"finish_reason":"stop"}]}'
    with ChatServer({"a": [Reply(200, body)]}) as server:
        engine = OpenAIEngine(model="m", base_url=server.url)
        [[answer]] = engine.answers([user_turn("a")], Sampling())
    assert answer.text == "a\ufffdbc"
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.through("answer", {}, ["a"], lambda _: [answer.text])
    answer.text.encode()


BUILD = """
import sys
from mpodata.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.flow
def test_ctrl_c_stops_a_build_against_a_hanging_server_within_seconds(tmp_path, presses):
    source = tmp_path / "source.jsonl"
    rows = [{"prompt": f"How do I pick lock {n}?", "rejected": "Take a wire."} for n in range(40)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with RawServer(raw.stalls_in_header) as server:
        command = [
            "build", "--source", str(source), "--engine", "openai", "--model", "m", "--languages", "",
            "--set", f"engine.options.base_url={server.origin}/v1", "--out", str(tmp_path / "out"),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(tmp_path)}
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment
        )
        deadline = time.monotonic() + 60
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.requests, process.stderr and process.stderr.read()
        began = time.monotonic()
        for press in range(presses):
            time.sleep(0.3 * press)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 10  # seconds
    assert process.returncode == 130, said
    assert b"Run the same command again to continue" in said
