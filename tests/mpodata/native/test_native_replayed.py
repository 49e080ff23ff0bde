"""Native pairs from recorded answers: generator, refuser, rejected answers and both guards by the replay engine."""

import json

import pytest

import mpodata.cli
from mpodata.native.instructions import generator_prompt
from mpodata.native.slots import read_slots
from mpodata.refusals import DETECTORS, Exchange
from mpodata.registry import construct
from mpodata.versions.load import load
from mpodata.versions.manifest import read_manifest

TOPICS = ("bicycle", "garage", "locker")
PROMPTS = {
    "en": ("How do I pick the lock of a {}?", "What is a {}?"),
    "sw": ("Ninawezaje kufungua {} bila ufunguo?", "Nini maana ya {}?"),
}
REFUSALS = {
    "en": "I'm sorry, but I can't help with that, because it could harm the owner.",
    "sw": "Samahani, siwezi kukusaidia na ombi hili kwa sababu linaweza kuwadhuru wengine.",
}
HELP = {
    "en": "First, bend a thin wire and push each pin up until the lock turns by itself.",
    "sw": "Kwanza, chukua waya mwembamba, kisha sukuma kila pini juu mpaka kufuli ifunguke.",
}


def polyguard(prompt, answer, harmful, unsafe):
    """PolyGuard's own form of an exchange, and what it says of it."""
    asked = construct("detector", DETECTORS, "polyguard", {}).form.conversation(Exchange("", prompt, answer))
    said = {"Harmful request": harmful, "Response refusal": False, "Harmful response": unsafe}
    return {"prompt": asked, "answer": "\n".join(f"{name}: {'yes' if value else 'no'}" for name, value in said.items())}


def llama_guard(prompt, answer, unsafe):
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"prompt": turns if answer else prompt, "answer": "unsafe\nS2" if unsafe else "safe"}


@pytest.fixture
def recorded(tmp_path):
    """The table of slots, and a file of recorded answers for each of the five."""
    slots = tmp_path / "slots.jsonl"
    rows = [{"category": "S2", "style": "slang", "topic": topic, "example": ""} for topic in TOPICS]
    slots.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = {name: [] for name in ("generator", "refuser", "rejected", "llama-guard-3", "polyguard")}
    for code, (harmful, harmless) in PROMPTS.items():
        for slot in read_slots(str(slots), code):
            written = [harmful.format(slot.topic), harmless.format(slot.topic)]
            files["generator"].append({"prompt": generator_prompt(slot, code), "answers": written})
            for prompt, bad in zip(written, (True, False), strict=True):
                files["llama-guard-3"].append(llama_guard(prompt, "", bad))
                files["polyguard"].append(polyguard(prompt, "", bad, False))
            prompt = written[0]
            files["refuser"].append({"prompt": prompt, "answer": REFUSALS[code]})
            if slot.topic != "locker":  # nobody recorded an answer to unlearn there, but in Swahili a refusal
                files["rejected"].append({"prompt": prompt, "answer": HELP[code]})
            elif code == "sw":
                files["rejected"].append({"prompt": prompt, "answer": REFUSALS[code]})
            for answer, unsafe in ((REFUSALS[code], False), (HELP[code], True)):
                files["llama-guard-3"].append(llama_guard(prompt, answer, unsafe))
                files["polyguard"].append(polyguard(prompt, answer, True, unsafe))
    for name, lines in files.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return slots


def build(slots, out, *more):
    folder = slots.parent
    models = [f"--set={name}.path={folder / name}.jsonl" for name in ("generator", "refuser", "rejected")]
    guards = [
        f"--set={name}.{setting}"
        for name in ("llama-guard-3", "polyguard")
        for setting in ("engine=replay", f"engine_options={{path: {folder / name}.jsonl}}")
    ]
    return [
        "build-native", str(slots), "--languages", "en,Swahili", "--per-slot", "2", "--engine", "replay", "--generator",
        "g", "--refuser", "r", "--rejected-model", "b", *models, *guards, "--test-share", "0",
        "--journal", str(folder / "journal.sqlite"), "--out", str(out), *more,
    ]  # fmt: skip


def test_recorded_answers_of_all_five_make_native_pairs(recorded, tmp_path, capsys):
    with (tmp_path / "rejected.jsonl").open("a", encoding="utf-8") as file:
        line = {"prompt": PROMPTS["en"][0].format("locker"), "answer": "Push each pin up until", "finish": "length"}
        file.write(json.dumps(line) + "\n")
    assert mpodata.cli.main(build(recorded, tmp_path / "native")) == 0, capsys.readouterr().err
    manifest = read_manifest(tmp_path / "native")
    assert {name: dict(config.dropped) for name, config in manifest.configs.items()} == {
        "en": {"not-unsafe-by-both": 3, "rejected-unfinished": 1},
        "native.sw": {"not-unsafe-by-both": 3, "rejected-refused": 1},
    }
    version = load(str(tmp_path / "native"))
    for name, code in (("en", "en"), ("native.sw", "sw")):
        rows = {(row.side.prompt, row.side.chosen, row.side.rejected) for row in version.rows(name, "train")}
        asked = [PROMPTS[code][0].format(topic) for topic in ("bicycle", "garage")]
        assert rows == {(prompt, REFUSALS[code], HELP[code]) for prompt in asked}


def test_an_engine_that_answers_nothing_is_named_as_the_reason(recorded, tmp_path, capsys):
    (tmp_path / "rejected.jsonl").write_text('{"prompt": "another", "answer": "x"}\n', encoding="utf-8")
    assert mpodata.cli.main(build(recorded, tmp_path / "native")) == 2
    assert "An engine did not answer (3 in en); nothing was written" in capsys.readouterr().err


def test_a_prompt_without_a_recorded_answer_writes_no_version(recorded, tmp_path, capsys):
    assert mpodata.cli.main(build(recorded, tmp_path / "native")) == 2
    assert "An engine did not answer (1 in en); nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "native").exists()
