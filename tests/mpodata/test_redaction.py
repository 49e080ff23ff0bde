"""Secrets stay out of everything that is written or printed."""

from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.errors import RemoteError
from mpodata.hub import redact, redact_command, redacted
from tests.mpodata.small_versions import write_version

PLANTED = "Pl4nted-S3cret-q9Zx7Lm2"

LEAKS = (
    f"https://user:{PLANTED}@host/v1/models",
    f"https://{PLANTED}@host/",
    f"postgres://u:p@ss{PLANTED}@db/x",
    f"https://host/v1?api_key={PLANTED}&model=m",
    f"https://host/v1?x=1&access_token={PLANTED}",
    f"Authorization: Bearer {PLANTED}",
    f"{{'authorization': 'Basic {PLANTED}', 'accept': '*/*'}}",
    f'{{"X-Api-Key": "{PLANTED}"}}',
    f"401 from server: header x-auth-token: {PLANTED}",
    f"Cookie: {PLANTED}; path=/",
    f"password={PLANTED}",
    f"client_secret = '{PLANTED}'",
)


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_in_text_is_hidden(text: str) -> None:
    assert PLANTED not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "token", ["hf_abcdefGHIJKL1234", "sk-proj-abcdef123456", "ghp_" + "a1" * 18, "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln"]
)
def test_tokens_are_known_by_their_shape(token: str) -> None:
    assert redact(f"the server said {token} is wrong") == "the server said *** is wrong"


def test_tokens_of_this_process_are_hidden_whatever_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_API_KEY", "plainwordsnothingmore")
    assert redact("it echoed plainwordsnothingmore back") == "it echoed *** back"


@pytest.mark.parametrize(
    "text",
    [
        "Unknown language 'xx'. Did you mean 'hi'? Known: en, sw.",
        "ana/demo@v1.0.0#nllb-600m holds this content already",
        "mpodata build --translator nllb-600m --set sampling.max_tokens=64 --languages sw,zh",
        "No such key: temperature",
        "--set takes engine.KEY=VALUE, judge.KEY=VALUE or a judge's own",
        "--set takes key=value, got 'samples'",
        "https://huggingface.co/datasets/ana/demo/tree/v1.0.0?page=2",
        "tokenizer: pocket-chat",
        "sha256 4f0c2d7a9be1",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_plain_data_keeps_settings_and_loses_secrets() -> None:
    options = {
        "base_url": f"https://me:{PLANTED}@host/v1",
        "api_key": PLANTED,
        "timeout": 30,
        "headers": {"X-Anything": PLANTED, "Accept": "text/plain"},
        "body": {"top_k": 40, "user": PLANTED, "chat_template_kwargs": {"enable_thinking": False}, "stop": ["END"]},
    }
    kept = redacted({"engine": {"name": "openai", "options": options}, "sampling": {"max_tokens": 64}})
    assert PLANTED not in str(kept)
    assert kept["sampling"] == {"max_tokens": 64}
    assert kept["engine"]["options"]["timeout"] == 30
    body = kept["engine"]["options"]["body"]
    assert body == {"top_k": 40, "user": "***", "chat_template_kwargs": {"enable_thinking": False}, "stop": ["END"]}


@pytest.mark.parametrize(
    "word",
    [
        f"engine.options.base_url=https://me:{PLANTED}@host/v1",
        f"engine.options.api_key={PLANTED}",
        f"'engine.options.headers={{X-Mine: {PLANTED}}}'",
        f'\'engine.options.body={{"auth": {{"value": "{PLANTED}"}}}}\'',
        f"'engine.options.body={{user: {PLANTED}}}'",
        f"translator.options.key={PLANTED}",
        f"detector.options.password={PLANTED}",
    ],
)
def test_a_command_line_loses_the_secrets_of_any_set(word: str) -> None:
    command = redact_command(f"mpodata build --model m --set {word} --languages sw")
    assert PLANTED not in command
    assert command.startswith("mpodata build --model m --set ")
    assert command.endswith(" --languages sw")


def test_a_command_line_without_secrets_is_not_touched() -> None:
    command = "mpodata build --set 'sampling.prefix=I am  sorry' --set sampling.max_tokens=12 --out 'my folder'"
    assert redact_command(command) == command


def test_no_artefact_of_a_version_holds_a_secret(tmp_path: Path) -> None:
    options = {"base_url": f"http://me:{PLANTED}@127.0.0.1/v1", "api_key": PLANTED, "body": {"user": PLANTED}}
    write_version(
        tmp_path / "out",
        recipe={"engine": {"name": "openai", "options": {**options, "headers": {"X": PLANTED}}}},
        command=f"mpodata build --set engine.options.base_url=http://me:{PLANTED}@127.0.0.1/v1",
        source={"name": "table", "path": f"https://data.host/x.jsonl?token={PLANTED}", "licence": "mit"},
        policy={"engine": "openai", "model": "m", **options},
    )
    assert main(["publish", str(tmp_path / "out"), "--to", str(tmp_path / "registry" / "demo")]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        assert PLANTED.encode() not in path.read_bytes(), path


def test_an_error_message_that_echoes_a_header_is_printed_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RemoteError(f"The server refused (authorization: Bearer {PLANTED}).\x1b[31m")

    monkeypatch.setattr("mpodata.commands.verify.load", failing)
    assert main(["verify", "ana/demo"]) == 2
    told = capsys.readouterr().err
    assert "The server refused" in told
    assert PLANTED not in told
    assert "\x1b" not in told
