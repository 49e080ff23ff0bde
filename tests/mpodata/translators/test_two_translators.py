"""A chat model with a second translator behind it and a paid service, one config each of one version: the whole way.

The chat model's server refuses, answers and comments; the service is Google Cloud's, by a service account; pocket-nllb
is what both really say. Built, added to, compared, published, exported and audited through the command line.
"""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import mpodata
from mpodata.cli import main
from mpodata.pocket import prompts_path
from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector
from mpodata.translators.llm import TEMPLATES
from mpodata.translators.nllb import pocket_nllb
from tests.fakes.openai import ChatServer, Reply, completion
from tests.fakes.raw import RawServer, Script, whole

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ROWS = 10
SAYS = (
    "I'm sorry, but I can't help with that request.",
    "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
    "Извините, но я не могу помочь с этим запросом.",
    "Samahani, siwezi kusaidia na ombi hilo.",
    "Sure! First you take what you need, then you do it quickly before anybody sees you.",
)
TEXT = TEMPLATES["plain"].prompt.format(source="English", target="Swahili", text="\0").partition("\0")[0]


class Chat(ChatServer):
    """Translates every third text, with a comment around it; refuses or answers the others."""

    def __init__(self, swahili: Callable[[str], str]) -> None:
        super().__init__()
        self.swahili = swahili
        self.number: dict[str, int] = {}

    def reply(self, request):
        text = request["messages"][0]["content"].removeprefix(TEXT)
        number = self.number.setdefault(text, len(self.number))
        if number % 3 == 0:
            return Reply(200, completion(f"Here is the translation:\n\n{self.swahili(text)}"))
        return Reply(200, completion(SAYS[number % len(SAYS)]))


def google(swahili: Callable[[str], str]) -> Callable[[bytes], Script]:
    def behave(request: bytes) -> Script:
        body = request.partition(b"\r\n\r\n")[2]
        if request.startswith(b"POST /token "):
            return whole(b'{"access_token": "t", "expires_in": 3600}', "Content-Type: application/json")
        [text] = json.loads(body)["contents"]
        said = swahili(text).replace("samahani", "pole").replace("Samahani", "Pole")  # another way to say sorry
        return whole(
            json.dumps({"translations": [{"translatedText": said}]}).encode(), "Content-Type: application/json"
        )

    return behave


def account(folder: Path, origin: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    values = {"type": "service_account", "project_id": "p", "private_key": pem, "client_email": "a@p.example"}
    path = folder / "account.json"
    path.write_text(json.dumps({**values, "token_uri": f"{origin}/token"}))
    return path


def options(**values: object) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"translator.options.{key}={value}")]


@pytest.mark.flow
def test_two_translators_of_one_version_are_built_compared_and_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    translator = pocket_nllb()
    cached: dict[str, str] = {}

    lock = Lock()  # the servers answer several requests at once; the model and its journal are one

    def swahili(text: str) -> str:
        with lock:
            return _cached(text)

    def _cached(text: str) -> str:
        return cached.setdefault(text, str(translator.texts([text], "en", "sw")[0]))

    lines = prompts_path().read_text(encoding="utf-8").splitlines()
    table = tmp_path / "rows.jsonl"
    table.write_text("\n".join(lines[:: len(lines) // ROWS][:ROWS]) + "\n", encoding="utf-8")
    base = ["build", "--source", str(table), "--source-columns", "prompt=prompt,unsafe=unsafe_response"]
    base += ["--model", "pocket-chat", "--set", "sampling={candidates: 2, max_tokens: 48}", "--languages", "sw"]
    with Chat(swahili) as chat:
        llm = options(model="a-chat-model", fallback="pocket-nllb", backend_options=f"{{base_url: '{chat.url}'}}")
        assert main([*base, "--translator", "llm", *llm, "--out", str(tmp_path / "one")]) == 0
    with RawServer(behave=google(swahili)) as server:
        cloud = options(endpoint=server.origin, credentials=account(tmp_path, server.origin), rate=1000)
        more = ["--add-to", str(tmp_path / "one"), "--out", str(tmp_path / "two")]
        assert main([*base, "--translator", "google-cloud", *cloud, *more]) == 0

    version = mpodata.load(str(tmp_path / "two"))
    assert version.translators() == ("google-cloud", "llm")
    pairs = [pair for split in version.splits() for pair in version.pairs(split, "llm")]
    assert len(pairs) >= 4
    made = {name for pair in pairs for name in pair.target.translators or ()}
    assert made == {"llm", "pocket-nllb"}
    detector = RuleDetector()
    for pair in pairs:
        assert pair.target.prompt == swahili(pair.dominant.prompt)
        assert pair.target.rejected == swahili(pair.dominant.rejected)
        for text in (pair.target.prompt, pair.target.rejected):
            assert text not in SAYS
            verdicts = detector.verdicts([Exchange("sw", "", text), Exchange("en", "", text)])
            assert all(verdict.label != "refusal" for verdict in verdicts)
    paid = [pair for split in version.splits() for pair in version.pairs(split, "google-cloud")]
    assert {pair.target.translators for pair in paid} == {None}
    assert mpodata.verify(str(tmp_path / "two")) == []

    capsys.readouterr()
    page = tmp_path / "compare.html"
    assert main(["compare-translators", str(tmp_path / "two"), "--json", "--html", str(page)]) == 0
    comparison = json.loads(capsys.readouterr().out)
    [language] = comparison["languages"]
    assert (comparison["first"], comparison["second"], language["language"]) == ("google-cloud", "llm", "sw")
    assert language["agreement"]["prompt"]["mean"] == 100.0
    assert language["agreement"]["chosen"]["mean"] < 100.0  # one of them says sorry in another way
    assert pairs[0].target.rejected not in page.read_text(encoding="utf-8")

    assert main(["publish", str(tmp_path / "two"), "--to", str(tmp_path / "registry" / "demo")]) == 0
    published = mpodata.load(f"{tmp_path / 'registry' / 'demo'}@v1.0.0")
    assert set(published.manifest.configs) == {"en", "google-cloud.sw", "llm.sw"}
    card = (published.folder / "README.md").read_text(encoding="utf-8")
    assert "Who translated each field" in card
    assert "- against commercial use: translator google-cloud is other" in card
    assert (
        "translator llm, fallback pocket-nllb"
        in published.manifest.builds[published.manifest.configs["llm.sw"].build]["licences"]
    )
