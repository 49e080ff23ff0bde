"""Official translation services: their forms, their limits, and what a broken network or a rejected key does."""

import json
from functools import partial
from typing import Any

import pytest

from mpodata.errors import ConfigError, RemoteError
from mpodata.records import Dropped
from mpodata.translators.deepl import deepl
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.google_cloud import google_cloud
from mpodata.translators.microsoft import microsoft
from tests.fakes import raw
from tests.fakes.raw import RawServer, whole

JSON = "Content-Type: application/json"
FAST = {"rate": 1000.0, "deadline": 0.6, "attempts": 2, "first_pause": 0.01}
SECRET = "key-very-secret"
MADE: dict[str, tuple[Any, Any]] = {
    "deepl": (deepl, {"translations": [{"detected_source_language": "EN", "text": "Привет всем."}]}),
    "microsoft": (microsoft, [{"translations": [{"text": "Привет всем.", "to": "ru"}]}]),
    "google-cloud": (google_cloud, {"data": {"translations": [{"translatedText": "Привет всем."}]}}),
}
FAULTS = {
    name: getattr(raw, name)
    for name in ("half_body", "no_answer", "stalls_in_header", "drips_headers", "stalls_in_body", "bad_gzip", "endless")
}
FAULTS["busy"] = partial(whole, b"", "Retry-After: 0.01", status="429 Too Many Requests")
FAULTS["down"] = partial(whole, b"", status="503 Service Unavailable")
FAULTS["redirect"] = partial(whole, b"", "Location: http://127.0.0.2:9/", status="307 Temporary Redirect")
FAULTS["no-json"] = partial(whole, b"<html>", JSON)
FAULTS["another-form"] = partial(whole, b'{"translations": []}', JSON)
FAULTS["a-number"] = partial(whole, b'{"translations": [{"text": 7}]}', JSON)
FAULTS["deep"] = partial(whole, b"[" * 200_000, JSON)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("DEEPL_API_KEY", "AZURE_TRANSLATOR_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    for name in ("GOOGLE_CLOUD_TOKEN", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


def good(name: str) -> Any:
    return partial(whole, json.dumps(MADE[name][1]).encode(), JSON)


def made(name: str, server: RawServer, **options: Any) -> DocumentTranslator:
    translator = MADE[name][0](endpoint=server.origin, **{**FAST, **options})
    assert isinstance(translator, DocumentTranslator)
    return translator


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_asked_again_and_else_counted_as_the_services(name, fault):
    with RawServer(FAULTS[fault], good(name)) as server:
        assert made(name, server).texts(["Hello all."], "en", "ru") == ["Привет всем."]
    with RawServer(FAULTS[fault]) as server:
        [result] = made(name, server).texts(["Hello all."], "en", "ru")
    assert isinstance(result, Dropped)
    assert result.reason == "service"
    assert SECRET not in result.detail


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_key_that_is_not_accepted_stops_at_once_and_is_not_shown(name, status):
    with RawServer(partial(whole, SECRET.encode(), status=status)) as server:
        with pytest.raises(RemoteError, match=f"translator {name} answered 40.: it does not accept the key") as caught:
            made(name, server).texts(["Hello all."], "en", "ru")
        assert SECRET not in str(caught.value)


def test_a_used_up_quota_is_said():
    with (
        RawServer(partial(whole, b"", status="456 Quota Exceeded")) as server,
        pytest.raises(RemoteError, match="its quota is used up"),
    ):
        made("deepl", server).texts(["Hello all."], "en", "ru")


@pytest.mark.parametrize("name", MADE)
def test_a_text_the_service_will_never_take_is_not_asked_again(name):
    with RawServer(partial(whole, b"", status="400 Bad Request")) as server:
        [result] = made(name, server).texts(["Hello"], "en", "ru")
        assert isinstance(result, Dropped)
        assert result.reason == "untranslatable"
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", MADE)
def test_a_missing_key_is_one_sentence(name, monkeypatch):
    for variable in ("DEEPL_API_KEY", "AZURE_TRANSLATOR_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(variable)
    with RawServer(good(name)) as server:
        with pytest.raises(ConfigError, match=f"to your key for the translator {name}"):
            made(name, server).texts(["Hello all."], "en", "ru")
        assert server.requests == []


def asked(name: str, target: str, **options: Any) -> tuple[str, str, Any]:
    """Request line, headers and body of one request."""
    with RawServer(good(name)) as server:
        made(name, server, **options).texts(["Hello all."], "en", target)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, _, headers = head.decode().partition("\r\n")
    return line, headers.lower(), json.loads(body)


def test_deepl_is_asked_in_its_form():
    line, headers, body = asked("deepl", "zh")
    assert line == "POST /v2/translate HTTP/1.1"
    assert f"authorization: deepl-auth-key {SECRET}" in headers
    assert (body["text"], body["source_lang"], body["target_lang"]) == (["Hello all."], "EN", "ZH-HANS")


def test_microsoft_is_asked_in_its_form():
    line, headers, body = asked("microsoft", "zh", region="westeurope")
    assert line.startswith("POST /translate?api-version=3.0&from=en&to=zh-Hans")
    assert f"ocp-apim-subscription-key: {SECRET}" in headers
    assert "ocp-apim-subscription-region: westeurope" in headers
    assert body == [{"Text": "Hello all."}]


def test_google_cloud_is_asked_in_the_form_of_its_edition(monkeypatch):
    line, headers, body = asked("google-cloud", "zh")
    assert line == "POST /language/translate/v2 HTTP/1.1"
    assert f"x-goog-api-key: {SECRET}" in headers
    assert (body["source"], body["target"], body["format"]) == ("en", "zh-CN", "text")
    monkeypatch.setenv("GOOGLE_CLOUD_TOKEN", "a-token")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    line, headers, body = asked("google-cloud", "he")
    assert line == "POST /v3/projects/my-project/locations/global:translateText HTTP/1.1"
    assert "authorization: bearer a-token" in headers
    assert (body["contents"], body["targetLanguageCode"]) == (["Hello all."], "iw")


def test_a_language_deepl_does_not_know_is_said_before_anything_is_asked():
    with RawServer(good("deepl")) as server:
        with pytest.raises(ConfigError, match="DeepL does not know the language 'sw'"):
            made("deepl", server).texts(["Hello all."], "en", "sw")
        assert server.requests == []
