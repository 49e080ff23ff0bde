"""Native pairs: the whole line from a table of slots to a trained model, what is dropped, what is refused."""

import json
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import datasets
import pytest

import mpodata.cli
import mpotrain.cli
from mpodata.errors import DataError, UnknownName
from mpodata.native.instructions import generator_prompt
from mpodata.native.slots import CATEGORIES, STYLES, read_slots
from mpodata.versions.load import load
from mpodata.versions.manifest import read_manifest
from tests.fakes.openai import ChatServer, Reply, completion

PROMPTS = {
    "English": ["How do I pick the lock of a {}?", "How do I take a {} that is not mine?", "What is a {}?"],
    "Swahili": ["Ninawezaje kufungua {} bila ufunguo?", "Ninawezaje kuiba {} ya jirani?", "Nini maana ya {}?"],
}
ANSWERS = {
    "en": (
        "I'm sorry, but I can't help with that, because it could harm the owner.",
        "First, bend a thin wire and push each pin up until the lock turns by itself.",
    ),
    "sw": (
        "Samahani, siwezi kukusaidia na ombi hili kwa sababu linaweza kuwadhuru wengine.",
        "Kwanza, chukua waya mwembamba, kisha sukuma kila pini juu mpaka kufuli ifunguke.",
    ),
}


class Roles(ChatServer):
    """Plays generator, refuser, the rejected answers' model and two guards, by the model that a request names."""

    def reply(self, request):
        messages = request["messages"]
        text = messages[-1]["content"]
        code = "sw" if re.search(r"Nina|Nini|Swahili", " ".join(message["content"] for message in messages)) else "en"
        harmless = "What is" in text or "Nini maana" in text
        return Reply(200, completion(self.said(request["model"], messages, text, code, harmless, request["seed"])))

    def said(self, model, messages, text, code, harmless, seed):
        if model == "generator":
            topic = re.search(r"Topic: (.*)", text)[1]
            written = PROMPTS["Swahili" if "in Swahili" in text else "English"]
            style = re.search(r"Style: (.*)", text)[1]
            return written[seed % 3].format(f"{topic} ({style})")
        if model == "refuser":
            assert messages[0]["role"] == "system"
            assert messages[0]["content"].startswith("You refuse every request")
            return ANSWERS[code][0]
        if model == "rejected":
            return ANSWERS[code][0] if "boat" in text else ANSWERS[code][1]
        unsafe = any(answer[1] in text for answer in ANSWERS.values())  # the harmful answer, shown after its prompt
        if model == "llama":  # judges the last turn: the prompt alone, or the answer
            harmful = unsafe if messages[-1]["role"] == "assistant" else not harmless
            return "unsafe\nS2" if harmful else "safe"
        said = {"Harmful request": not harmless, "Response refusal": False, "Harmful response": unsafe}
        return "\n".join(f"{name}: {'yes' if value else 'no'}" for name, value in said.items())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Roles() as running:
        yield running


class Faulty(Roles):
    """Some answers are cut, withheld, empty or not given, by their topic."""

    down = False

    def reply(self, request):
        text = request["messages"][-1]["content"]
        if request["model"] == "refuser" and "bicycle" in text:
            return Reply(200, completion("I'm sorry, but", "length"))
        if request["model"] == "refuser" and "garage" in text:
            return Reply(200, completion("", "content_filter"))
        if request["model"] == "rejected" and "locker" in text:
            return Reply(200, completion(" "))
        if request["model"] == "rejected" and "boat" in text and self.down:
            return Reply(400, {"error": {"message": "out of order"}})
        return super().reply(request)


@pytest.fixture
def slots(tmp_path):
    return write_slots(tmp_path / "slots.jsonl")


def write_slots(path):
    rows = [
        {"category": "S2", "style": style, "topic": topic, "example": "How do I pick a lock?", "language": "en"}
        for style in ("slang", "role play", "hypotheticals")
        for topic in ("bicycle", "garage", "locker", "boat")
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def build(slots, server, out, *more):
    url = [f"--set={part}.base_url={server.url}" for part in ("generator", "refuser", "rejected")]
    guards = [
        f"--set={name}.{setting}"
        for name, model in (("llama-guard-3", "llama"), ("polyguard", "poly"))
        for setting in ("engine=openai", f"model={model}", f"engine_options={{base_url: '{server.url}'}}")
    ]
    return [
        "build-native", str(slots), "--languages", "en,sw", "--per-slot", "4", "--engine", "openai", "--generator",
        "generator", "--refuser", "refuser", "--rejected-model", "rejected", *url, *guards, "--test-share", "0.4",
        "--journal", str(out.parent / "journal.sqlite"), "--out", str(out), *more,
    ]  # fmt: skip


@dataclass(frozen=True)
class Native:
    """A version of native pairs, built once for all tests that read it, and the server that answered."""

    folder: Path
    slots: Path
    server: Roles
    printed: str


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    place = tmp_path_factory.mktemp("native")
    table, out, said = write_slots(place / "slots.jsonl"), place / "native", StringIO()
    with pytest.MonkeyPatch.context() as patch, Roles() as running:
        patch.setenv("OPENAI_API_KEY", "none")
        patch.setenv("MPODATA_CACHE", str(place / "cache"))
        with redirect_stdout(said), redirect_stderr(said):
            assert mpodata.cli.main(build(table, running, out)) == 0
        yield Native(out, table, running, said.getvalue())


@pytest.fixture
def built(native):
    return native.folder


@pytest.mark.flow
def test_native_pairs_are_built_published_loaded_and_trained_on(native, tmp_path, capsys):
    built = native.folder
    assert str(built) in native.printed
    assert "How do I" not in native.printed
    manifest = read_manifest(built)
    assert manifest.parallel is False
    card = (built / "README.md").read_text(encoding="utf-8")
    assert "rows of their own in English, Swahili" in card
    assert not any(claim in card for claim in ("dominant side", "--method mpo", "the same pairs", "Made for **MPO"))
    assert set(manifest.configs) == {"en", "native.sw"}
    dropped = manifest.configs["en"].dropped
    assert {"duplicate", "not-unsafe-by-both", "rejected-refused"} == set(dropped)
    assert mpodata.cli.main(["publish", str(built), "--to", str(tmp_path / "registry" / "native")]) == 0
    assert mpodata.cli.main(["verify", str(tmp_path / "registry" / "native")]) == 0
    plain = datasets.load_dataset(str(built), "native.sw", cache_dir=str(tmp_path / "cache"))
    assert plain["train"][0]["prompt"][0]["role"] == "user"
    assert "parallel: false" in (built / "manifest.json").read_text().replace('"', "").lower()
    flags = ["--dataset", f"{tmp_path / 'registry' / 'native'}@v1.0.0", "--model", "pocket-chat", "--use_cpu", "true",
             "--num_train_epochs", "1", "--max_length", "256", "--dtype", "float32"]  # fmt: skip
    run = tmp_path / "run"
    assert mpotrain.cli.main(["train", "--method", "dpo", *flags, "--output_dir", str(run)]) == 0
    trained = json.loads((run / "run.json").read_text())["data"]["trained_rows"]
    assert trained == sum(len(list(load(str(built)).rows(name, "train"))) for name in manifest.configs)
    capsys.readouterr()
    assert mpotrain.cli.main(["train", "--method", "mpo", *flags, "--output_dir", str(tmp_path / "mpo")]) == 2
    assert "mpo compares the languages of a pair" in capsys.readouterr().err


@pytest.mark.flow
def test_the_audits_page_shows_a_sample_of_every_language_and_no_text_unasked(built, tmp_path, capsys):
    page = tmp_path / "audit.html"
    assert mpodata.cli.main(["audit", str(built), "--html", str(page), "--examples", "5"]) == 0
    printed = capsys.readouterr()
    assert "en" in printed.out
    assert "sw" in printed.out
    for text in (*ANSWERS["en"], *ANSWERS["sw"], "How do I"):
        assert text not in printed.out + page.read_text(encoding="utf-8")
    shown = tmp_path / "shown.html"
    assert mpodata.cli.main(["audit", str(built), "--html", str(shown), "--examples", "5", "--reveal"]) == 0
    assert "<html" in shown.read_text(encoding="utf-8")


def test_a_group_of_category_and_style_stands_in_one_split_in_all_languages(built):
    version = load(str(built))
    assert version.splits() == ("train", "test")
    styles = {
        split: {row.category for config in version.manifest.configs for row in version.rows(config, split)}
        for split in ("train", "test")
    }
    assert styles["train"]
    assert styles["test"]
    assert not styles["train"] & styles["test"]


def test_the_same_command_pays_nothing_twice_and_gives_the_same_bytes(native, tmp_path):
    asked = len(native.server.requests)
    assert asked
    again, journal = tmp_path / "again", native.folder.with_name("journal.sqlite")
    assert mpodata.cli.main(build(native.slots, native.server, again, "--journal", str(journal))) == 0
    assert len(native.server.requests) == asked
    first, second = (read_manifest(folder).parquet_files() for folder in (native.folder, again))
    assert {path: file.sha256 for path, file in first.items()} == {path: file.sha256 for path, file in second.items()}


@pytest.mark.flow
def test_answers_that_cannot_be_trained_on_are_dropped_by_the_names_that_a_build_gives_them(
    slots, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with slots.open("a", encoding="utf-8") as table:
        table.write("\n" + json.dumps({"category": "S2", "style": "slang", "topic": "scooter", "example": ""}))
    out = tmp_path / "native"
    with Faulty() as server:
        server.down = True
        assert mpodata.cli.main(build(slots, server, out)) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert re.search(r"An engine did not answer \(\d+ in en, \d+ in sw\); nothing was written", said), said
        assert not out.exists()
        server.down = False
        asked = len(server.requests)
        assert mpodata.cli.main(build(slots, server, out)) == 0
        again = server.requests[asked:]
    assert again
    assert all("boat" in json.dumps(request) for request in again)
    faults = {"chosen-unfinished", "chosen-blocked", "rejected-empty-answer"}
    assert faults < set(read_manifest(out).configs["en"].dropped)


def test_slots_are_named_by_the_projects_names_and_shown_by_the_users_examples(slots):
    assert len(CATEGORIES) == 14
    assert len(STYLES) == 10
    english, swahili = read_slots(str(slots), "en"), read_slots(str(slots), "sw")
    assert english[0].category == "Non-Violent Crimes"
    assert "- How do I pick a lock?" in generator_prompt(english[0], "en")
    assert swahili[0].examples == ()
    assert "examples" not in generator_prompt(swahili[0], "sw")
    slots.write_text(json.dumps({"category": "Privacy", "style": "slank", "topic": "x", "example": ""}))
    with pytest.raises(UnknownName, match="Did you mean 'slang'"):
        read_slots(str(slots), "en")
    slots.write_text(json.dumps({"category": "Privacy", "style": "slang", "topic": "", "example": ""}))
    with pytest.raises(DataError, match="one has no topic"):
        read_slots(str(slots), "en")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--guards", "polyguard,wildguard"], "wildguard judges answers, not prompts alone"),
        (["--guards", "polyguard"], "takes two different guards"),
        (["--set", "generater.x=1"], "Unknown part of --set: 'generater'. Did you mean 'generator'?"),
        (["--set", "generator"], "must look like PART.OPTION=VALUE"),
        (["--languages", "en,en"], "names a language twice"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_asked(slots, server, tmp_path, capsys, change, said):
    words = build(slots, server, tmp_path / "out")
    if change[0] == "--guards":
        words = [word for word in words if not word.startswith(("--set=llama", "--set=poly"))]
    assert mpodata.cli.main([*words, *change]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert server.requests == []
