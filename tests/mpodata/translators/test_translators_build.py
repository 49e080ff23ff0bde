"""Every translator a user can name builds a pocket dataset, through the command line."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import pytest

import mpodata
from mpodata.cli import main
from mpodata.engines.replay import ReplayEngine
from mpodata.engines.transformers import TransformersEngine
from mpodata.pocket import chat_path, nllb_path, prompts_path
from mpodata.records import Pair
from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector
from mpodata.translators import TRANSLATORS
from mpodata.translators.llm import ChatTranslation
from mpodata.translators.nllb import pocket_nllb
from mpodata.translators.selftrans import PROMPT
from tests.fakes.raw import RawServer, Script, whole
from tests.fakes.translate import TranslatePage
from tests.mpodata.tiny_madlad import write_tiny_madlad

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = 16
REFUSAL = "I'm sorry, but I won't help with something harmful."


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path_factory.getbasetemp() / "translators-cache"))


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Harmful pocket prompts in which every verb and object is one the translator knows."""
    lines = prompts_path().read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("source") / "rows.jsonl"
    path.write_text("\n".join(lines[:: len(lines) // ROWS][:ROWS]) + "\n", encoding="utf-8")
    return path


def built(table: Path, out: Path, translator: str, *options: str) -> list[Pair]:
    columns = ["--source-columns", "prompt=prompt,unsafe=unsafe_response"]
    arguments = ["--source", str(table), *columns, "--languages", "sw", "--set", "test_share=0", *options]
    assert main(["build", *arguments, "--translator", translator, "--out", str(out)]) == 0
    version = mpodata.load(str(out))
    pairs = [pair for split in version.splits() for pair in version.pairs(split)]
    config = version.manifest.configs[f"{translator}.sw"]
    assert config.rows + sum(config.dropped.values()) == version.manifest.configs["en"].rows
    assert all(pair.target.language == "sw" for pair in pairs)
    return pairs


def policy(*more: str) -> list[str]:
    sampling = "sampling={candidates: 4, temperature: 0.7, max_tokens: 48}"
    return ["--model", "pocket-chat", "--engine", "transformers", "--set", sampling, *more]


def recorded(path: Path, table: Path, carry: Callable[[str], str]) -> list[str]:
    """A replay of a policy that refuses in English, helps in Swahili and translates what it is asked to."""
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    answers = {}
    for row in rows:
        answers[row["prompt"]] = REFUSAL
        answers[carry(row["prompt"])] = carry(row["unsafe_response"])
        for text in (row["prompt"], REFUSAL, row["unsafe_response"]):
            asked = PROMPT.format(source="English", target="Swahili", text=text)
            answers[asked] = carry(text) + "</translated>"
    lines = [json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in answers.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [
        "--model",
        "recorded",
        "--engine",
        "replay",
        "--set",
        f"engine.options.path={path}",
        "--set",
        "sampling.candidates=1",
    ]


@pytest.fixture(scope="module")
def swahili(tmp_path_factory) -> Callable[[str], str]:
    translator, lock = pocket_nllb(), Lock()  # the servers answer in several threads; the model and its journal are one

    def translate(text: str) -> str:
        with lock:
            return str(translator.texts([text], "en", "sw")[0])

    return translate


def test_pocket_nllb(table, tmp_path):
    assert len(built(table, tmp_path / "out", "pocket-nllb", *policy())) >= 3


@pytest.mark.parametrize("name", ["nllb-600m", "nllb-1.3b", "nllb-3.3b"])
def test_the_nllb_sizes_with_a_model_of_ones_own(name, table, tmp_path):
    assert len(built(table, tmp_path / "out", name, *policy("--set", f"translator.options.model={nllb_path()}"))) >= 3


def test_google(table, tmp_path, swahili):
    def page(text: str, nth: int):
        return {2: 429, 4: 500, 6: 3.0}.get(nth, swahili(text))

    with TranslatePage(page) as served:
        options = {"endpoint": served.endpoint, "rate": 1000, "first_pause": 0.01, "deadline": 0.5, "threads": 1}
        given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
        assert len(built(table, tmp_path / "out", "google", *policy(*given))) >= 3


def google_build(table: Path, out: Path, page) -> int:
    with TranslatePage(page) as served:
        options = {"endpoint": served.endpoint, "rate": 1000, "first_pause": 0.01, "threads": 1}
        given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
        rows = ["--source", str(table), "--source-columns", "prompt=prompt,unsafe=unsafe_response"]
        return main(["build", *rows, *policy(*given), "--translator", "google", "--languages", "sw", "--out", str(out)])


def test_google_that_is_down_is_said_before_the_policy_answers_anything(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))  # nothing translated before
    monkeypatch.setattr(TransformersEngine, "answers", lambda *_: pytest.fail("the policy was asked"))
    assert google_build(table, tmp_path / "out", lambda text, nth: 500) == 2
    assert "The translator google cannot be reached (HTTP 500)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_google_that_goes_down_ends_in_a_version_that_is_not_published(table, tmp_path, monkeypatch, capsys, swahili):
    """Only the first prompt, asked for before the policy answers, comes back; then the same command heals the rows."""
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))
    page = lambda text, nth: swahili(text) if nth == 1 else 500  # noqa: E731
    assert google_build(table, tmp_path / "out", page) == 2
    assert "Run the same command again" in capsys.readouterr().err
    manifest = mpodata.load(str(tmp_path / "out")).manifest
    assert set(manifest.configs["google.sw"].dropped) == {"service"}
    (made,) = manifest.builds.values()
    assert made["unanswered"] == {"google.sw": manifest.configs["en"].rows}
    assert main(["publish", str(tmp_path / "out"), "--to", str(tmp_path / "registry" / "demo")]) == 2
    assert "has no rows in google.sw: a service was down" in capsys.readouterr().err
    assert not (tmp_path / "registry").exists()


def test_selftrans(table, tmp_path, swahili):
    pairs = built(table, tmp_path / "out", "selftrans", *recorded(tmp_path / "answers.jsonl", table, swahili))
    assert len(pairs) >= 3
    assert {pair.target.chosen for pair in pairs} == {swahili(REFUSAL)}


def test_lidr(table, tmp_path, swahili):
    options = recorded(tmp_path / "answers.jsonl", table, swahili)
    pairs = built(table, tmp_path / "out", "lidr", *options, "--set", "translator.options.prompts=pocket-nllb")
    assert len(pairs) >= 3
    assert all(pair.quality.rejected_verdict == "compliance" for pair in pairs)
    assert main(["original-pairs", str(tmp_path / "out"), "--out", str(tmp_path / "pairs.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["target"] for row in rows} <= {"sw"}
    assert [row["language"] for row in rows] == ["sw", "en"] * (len(rows) // 2)


@pytest.mark.flow
def test_mapo(table, tmp_path):
    options = {"prompts": "pocket-nllb", "aligner": "pocket-nllb", "samples": 12, "max_tokens": 48}
    given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
    pairs = built(table, tmp_path / "out", "mapo", *policy(*given))
    assert pairs
    assert {pair.quality.chosen_verdict for pair in pairs} == {"refusal"}
    assert "refusal" not in {pair.quality.rejected_verdict for pair in pairs}
    assert main(["original-pairs", str(tmp_path / "out"), "--out", str(tmp_path / "pairs.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) > len(pairs)
    assert {row["pair_id"] for row in rows} >= {pair.pair_id for pair in pairs}
    assert all(row["chosen"] != row["rejected"] for row in rows)


def test_a_translator_that_makes_one_pair_a_prompt_is_told(table, tmp_path, capsys):
    built(table, tmp_path / "out", "pocket-nllb", *policy())
    assert main(["original-pairs", str(tmp_path / "out"), "--out", str(tmp_path / "pairs.jsonl")]) == 2
    assert "Only mapo and lidr make more" in capsys.readouterr().err
    assert not (tmp_path / "pairs.jsonl").exists()


@pytest.mark.flow
def test_icr(table, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    reference = AutoModelForCausalLM.from_pretrained(chat_path())
    with torch.no_grad():
        reference.lm_head.weight.mul_(0.9)
    reference.save_pretrained(tmp_path / "reference")
    AutoTokenizer.from_pretrained(chat_path()).save_pretrained(tmp_path / "reference")
    options = {"prompts": "pocket-nllb", "reference": tmp_path / "reference", "samples": 12, "max_tokens": 48}
    given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
    pairs = built(table, tmp_path / "out", "icr", *policy(*given))
    assert pairs
    assert {pair.quality.chosen_verdict for pair in pairs} == {"refusal"}


MADLAD = {"madlad-3b", "madlad-7b", "madlad-10b"}


@pytest.mark.parametrize("name", sorted(MADLAD))
@pytest.mark.flow
def test_madlad_builds_and_every_row_of_a_random_model_is_kept_or_dropped_by_name(table, tmp_path, name):
    model = write_tiny_madlad(tmp_path / "model", string.printable)
    given = ["--set", f"translator.options.model={model}", "--set", "translator.options.beam=1"]
    built(table, tmp_path / "out", name, *policy(*given))
    config = mpodata.load(str(tmp_path / "out")).manifest.configs[f"{name}.sw"]
    assert config.dropped
    assert set(config.dropped) <= {"truncated", "looping", "untranslated", "too-short", "too-long", "empty"}


def test_a_chat_model_that_refuses_leaves_no_refusal_in_prompt_or_rejected(table, tmp_path, swahili):
    """The model translates what sounds harmless, refuses requests, and answers one; pocket-nllb does the rest."""
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    asks = ChatTranslation(ReplayEngine(path="x"), RuleDetector()).prompt
    said = {}
    for n, row in enumerate(rows):
        said[asks(row["prompt"], "en", "sw")] = "Samahani, siwezi kusaidia na ombi hilo." if n % 2 else "Sure, do it."
        said[asks(row["unsafe_response"], "en", "sw")] = "I'm sorry, but I can't help with that."
    said[asks(REFUSAL, "en", "sw")] = f"Here is the translation:\n\n{swahili(REFUSAL)}"
    lines = [json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in said.items()]
    lines += [json.dumps({"prompt": row["prompt"], "answer": REFUSAL}) for row in rows]
    (tmp_path / "said.jsonl").write_text("\n".join(lines), encoding="utf-8")
    options = {"model": "a-model", "backend": "replay", "fallback": "pocket-nllb"}
    given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
    replayed = ["--engine", "replay", "--set", f"engine.options.path={tmp_path / 'said.jsonl'}"]
    given += ["--set", f"translator.options.backend_options={{path: {tmp_path / 'said.jsonl'}}}"]
    pairs = built(table, tmp_path / "out", "llm", *replayed, *given)
    assert len(pairs) >= 3
    assert {pair.target.chosen for pair in pairs} == {swahili(REFUSAL)}
    detector = RuleDetector()
    for pair in pairs:
        assert pair.target.prompt == swahili(pair.dominant.prompt)
        assert pair.target.rejected == swahili(pair.dominant.rejected)
        assert not any(
            verdict.label == "refusal"
            for text in (pair.target.prompt, pair.target.rejected)
            for verdict in detector.verdicts([Exchange("sw", "", text), Exchange("en", "", text)])
        )
    assert '"fallback"' in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")


SERVICES = {
    "deepl": ("DEEPL_API_KEY", lambda text: {"translations": [{"text": text}]}),
    "microsoft": ("AZURE_TRANSLATOR_KEY", lambda text: [{"translations": [{"text": text}]}]),
    "google-cloud": ("GOOGLE_API_KEY", lambda text: {"data": {"translations": [{"translatedText": text}]}}),
}


@pytest.mark.parametrize("name", SERVICES)
def test_official_services_build_and_their_key_is_recorded_nowhere(table, tmp_path, monkeypatch, swahili, name):
    variable, form = SERVICES[name]
    monkeypatch.setenv(variable, "key-very-secret")
    language = "sw" if name != "deepl" else "de"

    def behave(request: bytes) -> Script:
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        text = body[0]["Text"] if isinstance(body, list) else body.get("q") or body["text"][0]
        said = swahili(text) if language == "sw" else f"Das heißt auf Deutsch etwa so viel wie: {len(text)} Zeichen."
        return whole(json.dumps(form(said)).encode(), "Content-Type: application/json")

    with RawServer(behave=behave) as server:
        options = {"endpoint": server.origin, "rate": 1000, "first_pause": 0.01}
        given = [part for key, value in options.items() for part in ("--set", f"translator.options.{key}={value}")]
        if language == "sw":
            assert len(built(table, tmp_path / "out", name, *policy(*given))) >= 3
        else:
            arguments = ["--source", str(table), "--source-columns", "prompt=prompt,unsafe=unsafe_response"]
            arguments += ["--languages", language, "--translator", name, "--out", str(tmp_path / "out")]
            assert main(["build", *arguments, *policy(*given)]) == 0
    assert server.requests
    assert all(b"key-very-secret" in request.partition(b"\r\n\r\n")[0] for request in server.requests)
    recorded = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in recorded if b"key-very-secret" in path.read_bytes()]


def test_every_name_is_built_here():
    built_here = {"pocket-nllb", "nllb-600m", "nllb-1.3b", "nllb-3.3b", "google", "selftrans", "lidr", "mapo", "icr"}
    assert built_here | MADLAD | {"llm", *SERVICES} == set(TRANSLATORS)
