"""The server of the review page, asked as a browser, a stranger's page and a curious process would ask."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpodata.errors import ConfigError, DataError, UnknownName
from mpodata.records import COUNTERWEIGHT
from mpodata.review.decisions import ReviewFile
from mpodata.review.queue import queue
from mpodata.review.server import serve
from mpodata.review.session import Session
from mpodata.versions.load import load
from mpodata.versions.write import VersionWriter
from tests.mpodata.readable_version import rows, write_readable
from tests.mpodata.small_versions import facts

pytest.importorskip("uvicorn")
TOKEN = "a-token-for-this-test"


class Client:
    """One browser tab."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, path: str, body: Any = None, *, token: str = TOKEN, raw: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = raw if raw is not None else None if body is None else json.dumps(body).encode()
        usual = {} if sent is None else {"content-type": "application/json", "origin": f"http://127.0.0.1:{self.port}"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if sent is None else "POST", f"/{token}/{path}", sent, {**usual, **named})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kind = answer.headers.get("content-type", "")
        told = json.loads(content) if kind == "application/json" else content.decode()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, told

    def row(self, number: int = 0, step: int = 1, filter: str = "open", reveal: int = 0) -> dict[str, Any]:
        status, _, told = self.ask(f"api/row?from={number}&step={step}&filter={filter}&reveal={reveal}")
        assert status == 200, told
        return dict(told)

    def decide(self, row: dict[str, Any], verdict: str = "accept", reason: str = "good", **more: Any) -> dict[str, Any]:
        known = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
        status, _, told = self.ask("api/decide", {**known, "verdict": verdict, "reason": reason, **more})
        assert status == 200, told
        return dict(told)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    write_readable(tmp_path / "demo", count=6)
    items = queue(load(tmp_path / "demo"), languages=["sw"], checks=False)
    with ReviewFile(tmp_path / "reviews" / "amina.jsonl", "amina", "demo") as file:
        yield Session(items, file, "demo")


@pytest.fixture
def tab(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    import uvicorn

    servers: list[uvicorn.Server] = []
    run = uvicorn.Server.run

    def watched(self: uvicorn.Server, *args: Any, **more: Any) -> None:
        servers.append(self)
        run(self, *args, **more)

    monkeypatch.setattr(uvicorn.Server, "run", watched)
    addresses: list[str] = []
    thread = threading.Thread(target=serve, args=(session, 0, addresses.append, TOKEN))
    thread.start()
    deadline = time.monotonic() + 20
    while not (servers and servers[0].started):
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    assert addresses[0].startswith("http://127.0.0.1:")
    assert addresses[0].endswith(f"/{TOKEN}/")
    yield Client(int(addresses[0].split(":")[2].split("/")[0]))
    servers[0].should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive()


def test_the_page_comes_with_its_files_and_seals(tab: Client) -> None:
    for path, kind in (("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")):
        status, headers, text = tab.ask(path)
        assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
        assert len(text) > 1000
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", f"x/{TOKEN}", "..", TOKEN.upper()])
@pytest.mark.parametrize("path", ["", "page.js", "api/setup", "api/row?from=0&step=1&filter=all&reveal=1"])
def test_who_does_not_know_the_token_is_told_nothing(tab: Client, token: str, path: str) -> None:
    status, _, text = tab.ask(path, token=token)
    assert (status, text) == (404, "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.7", "", "[::2]"])
def test_a_foreign_name_pointed_at_this_machine_is_refused(tab: Client, host: str) -> None:
    assert tab.ask("api/setup", host=host)[0] == 403


def test_a_tunnel_may_have_another_port(tab: Client) -> None:
    assert tab.ask("api/setup", host="localhost:9000")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_strangers_page_cannot_decide(tab: Client, session: Session, headers: dict[str, str], status: int) -> None:
    row = tab.row()
    decision = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
    decision |= {"verdict": "drop", "reason": "meaning"}
    assert tab.ask("api/decide", decision, **headers)[0] == status
    assert session.progress()["open"] == len(session.items)


def test_other_methods_and_paths_are_refused(tab: Client) -> None:
    assert tab.ask("api/decide")[0] == 405
    assert tab.ask("api/row", {})[0] == 405
    assert tab.ask("../../etc/passwd")[0] == 404
    assert tab.ask("mpodata/review/session.py")[0] == 404


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not a JSON object"),
        (b"[1]", 400, "not a JSON object"),
        (b"{" * 100_000, 400, "not a JSON object"),
        (b"{}", 400, "verdict must be one of"),
        (b" " * (2 * 2**20 + 1), 413, "too large"),
    ],
)
def test_a_request_that_is_none_is_answered_in_a_sentence(tab: Client, body: bytes, status: int, told: str) -> None:
    answered, _, said = tab.ask("api/decide", raw=body)
    assert answered == status
    assert told in said["error"]


@pytest.mark.parametrize("query", ["", "from=x&step=1&filter=all", "from=0&step=1&filter=none", "from=0&filter=all"])
def test_a_row_that_is_not_asked_for_properly_is_refused(tab: Client, query: str) -> None:
    status, _, told = tab.ask(f"api/row?{query}")
    assert status == 400
    assert told["error"]


def test_harmful_texts_are_sent_only_when_asked_for(tab: Client, session: Session) -> None:
    for number, item in enumerate(session.items):
        fields = {field["name"]: field for field in tab.row(number, filter="all")["fields"]}
        harmless = item.pair.category == COUNTERWEIGHT
        assert (fields["prompt"]["target"] is not None) == harmless
        assert (fields["rejected"]["dominant"] is not None) == harmless
        assert fields["chosen"]["target"] == item.pair.target.chosen
        told = tab.row(number, filter="all", reveal=1)["fields"]
        assert [field["target"] for field in told] == [
            item.pair.target.prompt, item.pair.target.chosen, item.pair.target.rejected
        ]  # fmt: skip


def test_a_correction_of_a_harmful_text_is_hidden_with_it(tab: Client) -> None:
    row = tab.row(1, reveal=1)
    tab.decide(row, "correct", "grammar", corrected={"rejected": "Jipya.", "chosen": "Siwezi."})
    hidden = tab.row(1, filter="all")["decision"]
    assert hidden["corrected"] == {"chosen": "Siwezi."}
    assert hidden["fields"] == ["chosen", "rejected"]
    again = tab.row(1, filter="all")
    tab.decide(again, "correct", "grammar", corrected={"chosen": "Samahani, siwezi."}, read=["chosen"])
    assert tab.row(1, filter="all", reveal=1)["decision"]["corrected"] == {
        "chosen": "Samahani, siwezi.", "rejected": "Jipya."
    }  # fmt: skip


def test_two_tabs_neither_lose_nor_double_a_decision(tab: Client, session: Session) -> None:
    other = Client(tab.port)
    here, there = tab.row(), other.row()
    assert tab.decide(here, "drop", "meaning")["replaced"] is None
    told = other.decide(there)
    assert told["replaced"] == {"verdict": "drop", "reason": "meaning"}
    assert told["revision"] == 2
    assert tab.row(0, filter="all")["decision"]["verdict"] == "accept"
    assert other.decide(there)["revision"] == 2  # the same answer once more: a lost reply
    assert session.progress() == {"accept": 1, "correct": 0, "drop": 0, "open": len(session.items) - 1}


def test_a_decision_taken_back_opens_the_row_again(tab: Client) -> None:
    first = tab.row()
    tab.decide(first)
    assert tab.row()["number"] == 1
    tab.decide(tab.row(0, filter="all"), "open", "")
    assert tab.row()["number"] == 0
    assert tab.row()["decision"] is None


@pytest.mark.parametrize(
    ("corrected", "told"),
    [
        ({"chosen": None}, "must be text"),
        ({"chosen": "same"}, "Nothing was changed"),
        ({"chosen": "rejected"}, "the same text now"),
        ({"chosen": "\u0001 "}, "empty now"),
    ],
)
def test_a_correction_that_cannot_be_a_row_is_refused(tab: Client, corrected: dict[str, Any], told: str) -> None:
    row = tab.row(1, reveal=1)
    fields = {field["name"]: field["target"] for field in row["fields"]}
    texts = {"same": fields["chosen"], "rejected": fields["rejected"]}
    sent = {name: texts.get(str(value), value) for name, value in corrected.items()}
    known = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
    status, _, answer = tab.ask("api/decide", {**known, "verdict": "correct", "reason": "grammar", "corrected": sent})
    assert status == 400
    assert told in answer["error"]


def test_a_decision_on_another_row_or_other_texts_is_refused(tab: Client) -> None:
    row = tab.row()
    known = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
    for change in ({"pair_id": "0" * 16}, {"texts": "0" * 16}, {"config": "nllb-600m.ar"}):
        body = {**known, "verdict": "accept", "reason": "good", **change}
        assert tab.ask("api/decide", body)[0] == 400


def test_agreement_with_the_other_readers_of_the_folder_is_shown(tab: Client, session: Session, tmp_path: Path) -> None:
    assert tab.ask("api/readers")[2] == []
    with ReviewFile(tmp_path / "reviews" / "ben.jsonl", "ben", "demo") as file:
        other = Session(session.items, file, "demo")
        for number, verdict in enumerate(("accept", "drop", "accept", "drop")):
            row = other.row(number)
            reason = {"accept": "good", "drop": "meaning"}[verdict]
            other.decide(
                {
                    **{k: row[k] for k in ("config", "pair_id", "texts", "revision")},
                    "verdict": verdict,
                    "reason": reason,
                }
            )
    for number, verdict in enumerate(("accept", "drop", "drop")):
        tab.decide(tab.row(number, filter="all"), verdict, {"accept": "good", "drop": "meaning"}[verdict])
    (told,) = tab.ask("api/readers")[2]
    assert (told["reader"], told["rows"], told["same"]) == ("ben", 3, 2)
    assert told["kappa"] == pytest.approx(0.4)  # observed 2/3, expected (1*2 + 2*1)/9 = 4/9
    assert tab.row(0, filter="disagreed")["number"] == 2
    assert tab.row(3, filter="disagreed")["number"] is None


def test_a_port_that_is_taken_is_said(session: Session) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="--port"):
            serve(session, taken.getsockname()[1], lambda _: None)


def test_the_worst_rows_come_first_with_their_findings(tmp_path: Path) -> None:
    """Row 3 is in English, row 1 is not a refusal: wrong languages are worse, sound rows come last."""
    with VersionWriter(tmp_path / "demo") as writer:
        english, swahili = list(rows("en", 6)), list(rows("sw", 6))
        swahili[3] = replace(
            swahili[3], side=replace(swahili[3].side, chosen="I cannot help you with that, I'm sorry.")
        )
        swahili[1] = replace(swahili[1], side=replace(swahili[1].side, chosen="Andika majibu ndani ya lebo ya chupa."))
        writer.add("en", "train", english)
        writer.add("nllb-600m.sw", "train", swahili)
        writer.finish(facts())
    items = queue(load(tmp_path / "demo"))
    ids = [item.pair.pair_id for item in items]
    assert ids[0] == swahili[3].pair_id
    assert "wrong-language" in [finding.reason for finding in items[0].findings]
    about_second = next(item for item in items if item.pair.pair_id == swahili[1].pair_id)
    assert "not-a-refusal" in [finding.reason for finding in about_second.findings]
    severities = [bool(item.findings) for item in items]
    assert severities == sorted(severities, reverse=True)
    assert [item.pair.pair_id for item in queue(load(tmp_path / "demo"), limit=2)] == ids[:2]
    unchecked = queue(load(tmp_path / "demo"), checks=False)
    assert [item.pair.pair_id for item in unchecked] == [row.pair_id for row in swahili]


def test_a_language_or_side_that_is_not_there_is_said(tmp_path: Path) -> None:
    write_readable(tmp_path / "demo", count=3)
    with pytest.raises(UnknownName, match=r"'sv'.*Did you mean 'sw'"):
        queue(load(tmp_path / "demo"), languages=["sv"], checks=False)
    write_readable(tmp_path / "alone", count=3, languages=())
    with pytest.raises(DataError, match="the dominant side only"):
        queue(load(tmp_path / "alone"), checks=False)


def test_decisions_on_texts_that_changed_since_are_open_again(tmp_path: Path) -> None:
    write_readable(tmp_path / "demo", count=3)
    items = queue(load(tmp_path / "demo"), languages=["sw"], checks=False)
    with ReviewFile(tmp_path / "amina.jsonl", "amina", "demo") as file:
        session = Session(items, file, "demo")
        row = session.row(0)
        session.decide(
            {**{k: row[k] for k in ("config", "pair_id", "texts", "revision")}, "verdict": "accept", "reason": "good"}
        )
        pair = items[0].pair
        changed = [replace(items[0], pair=replace(pair, target=replace(pair.target, chosen="Siwezi."))), *items[1:]]
        later = Session(changed, file, "demo")
        assert later.stale() == 1
        assert later.progress()["open"] == len(items)
        again = later.row(0)
        assert (again["decision"], again["revision"]) == (None, 1)
