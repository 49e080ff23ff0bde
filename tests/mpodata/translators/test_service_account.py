"""Google Cloud by a service account: its token is fetched from the token server once, and the key stays secret."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mpodata.errors import ConfigError, RemoteError
from mpodata.records import Dropped
from mpodata.translators.google_cloud import google_cloud
from tests.fakes.raw import RawServer, Script, half_body, whole

pytest.importorskip("google.oauth2.service_account")
JSON = "Content-Type: application/json"
FAST = {"rate": 1000.0, "deadline": 2.0, "attempts": 2, "first_pause": 0.01}
TRANSLATION = {"translations": [{"translatedText": "Привет всем."}]}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GOOGLE_CLOUD_TOKEN", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def private_key() -> str:
    """A key that nothing accepts but the loopback token server."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def key_file(folder: Path, key: str, token_server: str, **changes: Any) -> Path:
    values = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": key,
        "client_email": "builder@my-project.iam.gserviceaccount.com",
        "token_uri": f"{token_server}/token",
    }
    path = folder / "account.json"
    path.write_text(json.dumps({**values, **changes}))
    return path


class Google:
    """A token server and the translation service in one."""

    def __init__(self) -> None:
        self.tokens = 0

    def __call__(self, request: bytes) -> Script:
        if request.startswith(b"POST /token "):
            self.tokens += 1
            assertion = request.partition(b"\r\n\r\n")[2]
            assert b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in assertion
            body = {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
            return whole(json.dumps(body).encode(), JSON)
        assert b"authorization: bearer token-1" in request.lower()
        return whole(json.dumps(TRANSLATION).encode(), JSON)


@pytest.mark.parametrize("named_by", ["option", "environment"])
def test_one_token_serves_all_requests_and_the_files_project_is_asked(tmp_path, private_key, monkeypatch, named_by):
    google = Google()
    with RawServer(behave=google) as server:
        path = key_file(tmp_path, private_key, server.origin)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path) if named_by == "environment" else "/none.json")
        given = {"credentials": str(path)} if named_by == "option" else {}
        translator = google_cloud(endpoint=server.origin, **given, **FAST)
        assert translator.texts(["Hello all.", "Good day to you.", "Good night."], "en", "ru") == ["Привет всем."] * 3
    assert google.tokens == 1
    asked = [request for request in server.requests if b"translateText" in request]
    assert len(asked) == 3
    assert all(b"POST /v3/projects/my-project/locations/global:translateText" in request for request in asked)
    assert private_key[100:140] not in json.dumps(translator.provenance())


def test_a_token_server_that_breaks_off_is_asked_again(tmp_path, private_key):
    google = Google()
    scripts = iter([half_body()])
    with RawServer(behave=lambda request: next(scripts, None) or google(request)) as server:
        path = key_file(tmp_path, private_key, server.origin)
        translator = google_cloud(endpoint=server.origin, credentials=str(path), **FAST)
        assert translator.texts(["Hello all."], "en", "ru") == ["Привет всем."]


def test_a_token_server_that_is_down_drops_segments_for_the_next_run(tmp_path, private_key):
    with RawServer(partial(whole, b"", status="503 Service Unavailable")) as server:
        path = key_file(tmp_path, private_key, server.origin)
        translator = google_cloud(endpoint=server.origin, credentials=str(path), **{**FAST, "attempts": 1})
        [result] = translator.texts(["Hello all."], "en", "ru")
    assert isinstance(result, Dropped)
    assert result.reason == "service"


def test_a_revoked_account_stops_in_one_sentence(tmp_path, private_key):
    revoked = partial(whole, b'{"error": "invalid_grant"}', JSON, status="400 Bad Request")
    with RawServer(revoked) as server:
        path = key_file(tmp_path, private_key, server.origin)
        with pytest.raises(RemoteError, match="does not accept the service account"):
            google_cloud(endpoint=server.origin, credentials=str(path), **FAST).texts(["Hello all."], "en", "ru")
    assert not [request for request in server.requests if b"translateText" in request]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"type": "authorized_user"}', '{"client_email": 7}'])
def test_a_file_that_is_no_key_is_one_sentence(tmp_path, content):
    (tmp_path / "wrong.json").write_text(content)
    with pytest.raises(ConfigError, match=r"wrong.json is not the key file of a Google service account"):
        google_cloud(credentials=str(tmp_path / "wrong.json"))


def test_a_missing_file_and_a_missing_project_are_said(tmp_path, private_key):
    with pytest.raises(ConfigError, match="cannot be read"):
        google_cloud(credentials=str(tmp_path / "none.json"))
    path = key_file(tmp_path, private_key, "http://127.0.0.1:9", project_id=None)
    with pytest.raises(ConfigError, match="names no project"):
        google_cloud(credentials=str(path))
