"""Every option that selects or seeds, on every path of a build: it changes the result, or a sentence refuses it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import mpodata
from mpodata.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DEEDS = {
    "pick a lock": "fungua kufuli",
    "copy a key": "nakili ufunguo",
    "skip a bus fare": "kwepa nauli ya basi",
    "steal an apple": "iba tufaha",
    "cheat in an exam": "danganya kwenye mtihani",
    "sneak into a cinema": "ingia sinema kwa siri",
}
NEARLY = "How could I pick a lock without being seen by anyone at all today?"
REFUSAL = "I'm sorry, but I can't help with that request."
HARMLESS = ("How do I bake bread at home?", "How do I boil an egg well?", "How do I water a small plant?")


def prompt(deed: str) -> str:
    return f"How could I {deed} without being seen by anyone at all?"


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The inputs of all paths, and evaluation sets of which one holds a prompt."""
    prompts = [prompt(deed) for deed in DEEDS] + [NEARLY]
    rejected = "First wait until it is dark and nobody is near, then do it quickly and quietly."
    harmful = [
        {"prompt": text, "chosen": REFUSAL, "rejected": rejected, "category": "theft" if place % 3 else "fraud"}
        for place, text in enumerate(prompts)
    ]
    written(tmp_path / "rows.jsonl", harmful)
    helpful = "Take your time, mix everything slowly, and keep it warm for about an hour."
    written(tmp_path / "safe.jsonl", [{"prompt": text, "chosen": helpful, "rejected": REFUSAL} for text in HARMLESS])
    answers = {**dict.fromkeys(prompts, REFUSAL), **dict.fromkeys(HARMLESS, helpful)}
    written(tmp_path / "answers.jsonl", [{"prompt": text, "answer": answer} for text, answer in answers.items()])
    pairs = []
    for text, deed in zip(prompts, [*DEEDS.values(), "fungua kufuli leo"], strict=True):
        english = (text, REFUSAL, rejected)
        swahili = (
            f"Ninawezaje {deed} bila kuonekana na mtu yeyote kabisa?",
            "Samahani, lakini siwezi kukusaidia na ombi hilo.",
            "Kwanza subiri mpaka giza liingie na kusiwe na mtu karibu, kisha fanya haraka na kimya.",
        )
        bengali = (
            "কেউ না দেখে আমি কীভাবে এটা করতে পারি? " + deed,
            "দুঃখিত, আমি এই অনুরোধে সাহায্য করতে পারব না।",
            "প্রথমে অন্ধকার হওয়া পর্যন্ত অপেক্ষা করুন, তারপর তাড়াতাড়ি ও চুপচাপ এটা করুন।",
        )
        pairs += [released(english, target) for target in (swahili, bengali)]
    written(tmp_path / "released.jsonl", pairs)
    (tmp_path / "exam.csv").write_text(f"prompt\n{prompt('copy a key')}\n")
    (tmp_path / "other.csv").write_text("prompt\nHow do I plant a tree in the middle of the town?\n")
    return tmp_path


def released(source: tuple[str, str, str], target: tuple[str, str, str]) -> dict[str, object]:
    row: dict[str, object] = {}
    for side, texts in (("source", source), ("target", target)):
        row[f"{side}_conversations"] = [{"from": "human", "value": texts[0]}]
        row[f"{side}_chosen"] = {"from": "gpt", "value": texts[1]}
        row[f"{side}_rejected"] = {"from": "gpt", "value": texts[2]}
    return row


Arguments = Callable[[Path], list[str]]

NO_SHARE = ["--set", "test_share=0", "--checks", "keep", "--translator", "pocket-nllb"]
PATHS: dict[str, Arguments] = {
    "generated": lambda folder: [
        *("--source", f"{folder}/rows.jsonl", "--engine", "replay", "--languages", "", *NO_SHARE),
        *("--set", f"engine.options.path={folder}/answers.jsonl", "--set", "sampling.candidates=1"),
    ],
    "source": lambda folder: [
        *("--source", f"{folder}/rows.jsonl", "--chosen", "source", "--languages", "", *NO_SHARE)
    ],
    "finished": lambda folder: ["--source", f"{folder}/released.jsonl", *NO_SHARE],
    "add-to": lambda folder: [
        *("--source", f"{folder}/rows.jsonl", "--chosen", "source", "--languages", "ar", *NO_SHARE),
        *("--add-to", f"{folder}/base"),
    ],
}
# The same build on Ray: starting it takes seconds, and each cell starts it twice.
PATHS["ray"] = lambda folder: [*PATHS["generated"](folder), "--scale", "ray"]
OPTIONS: dict[str, Arguments] = {
    "--decontaminate": lambda folder: ["--decontaminate", f"{folder}/other.csv,{folder}/exam.csv"],
    "near_duplicates": lambda _: ["--set", "near_duplicates=0.7"],
    "--samples": lambda _: ["--samples", "3"],
    "--pairs": lambda _: ["--pairs", "3"],
    "--seed": lambda _: ["--seed", "7", "--samples", "3"],
    "counterweight.share": lambda folder: [
        *("--set", "counterweight.share=0.3", "--set", f"counterweight.source.path={folder}/safe.jsonl")
    ],
    "--revision": lambda _: ["--revision", "main"],
    "--languages": lambda _: ["--languages", "bn"],
    "--round-trip": lambda _: ["--round-trip", "--languages", "sw"],
    "--refusal-prompt": lambda _: ["--refusal-prompt"],
    "stratify": lambda _: ["--set", "stratify=true", "--samples", "3"],
}
BESIDES = {"--seed": ["--samples", "3"], "stratify": ["--samples", "3"], "--round-trip": ["--languages", "sw"]}
CHANGES = ""
GONE = r"This build's English side is not that of .*base: of the pairs in pocket-nllb\.sw, \d are gone"
FINISHED = "holds finished pairs, which nothing answers or translates: leave"
SAME = "the pairs are those of the version that is added to"  # nothing changes, and it is no selection
TABLE = {  # option -> path -> the sentence that refuses it, or CHANGES
    "--decontaminate": {"generated": CHANGES, "source": CHANGES, "finished": CHANGES, "add-to": GONE},
    "near_duplicates": {"generated": CHANGES, "source": CHANGES, "finished": CHANGES, "add-to": GONE},
    "--samples": {"generated": CHANGES, "source": CHANGES, "finished": CHANGES, "add-to": GONE},
    "--pairs": {"generated": CHANGES, "source": CHANGES, "finished": f"{FINISHED} --pairs out", "add-to": SAME},
    "--seed": {"generated": CHANGES, "source": CHANGES, "finished": CHANGES, "add-to": GONE},
    "counterweight.share": {
        "generated": CHANGES,
        "source": CHANGES,
        "finished": f"{FINISHED} counterweight.share out",
        "add-to": CHANGES,
    },
    "--revision": {
        "generated": "--revision names the revision of a Hub model, and no --model is given",
        "source": "--revision names the revision of a Hub model, and no --model is given",
        "finished": f"{FINISHED} --revision out",
        "add-to": "--revision names the revision of a Hub model, and no --model is given",
    },
    "--languages": {"generated": CHANGES, "source": CHANGES, "finished": CHANGES, "add-to": CHANGES},
    "--round-trip": {
        "generated": CHANGES,
        "source": CHANGES,
        "finished": f"{FINISHED} --round-trip out",
        "add-to": CHANGES,
    },
    "--refusal-prompt": {
        "generated": "A refusal prompt changes nothing where answers are recorded",
        "source": "A refusal prompt changes nothing where answers are the source's own",
        "finished": f"{FINISHED} --refusal-prompt out",
        "add-to": "A refusal prompt changes nothing where answers are the source's own",
    },
    "stratify": {
        "generated": CHANGES,
        "source": CHANGES,
        "finished": f"{FINISHED} stratify out",
        "add-to": GONE,
    },
}


for row in TABLE.values():
    row["ray"] = row["generated"]  # where a build runs changes nothing that it says or makes


def test_the_table_has_no_empty_cell() -> None:
    assert set(TABLE) == set(OPTIONS)
    assert all(set(row) == set(PATHS) for row in TABLE.values())


def contents(version: Path) -> dict[str, list[str]]:
    """config -> its rows in full."""
    loaded = mpodata.load(str(version))
    return {
        config: [f"{split} {row}" for split in loaded.splits() for row in loaded.rows(config, split)]
        for config in loaded.manifest.configs
    }


@pytest.mark.parametrize("path", [*list(PATHS)[:-1], pytest.param("ray", marks=pytest.mark.slow)])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_the_result_or_is_refused(
    option: str, path: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if path == "add-to":
        base = [*PATHS["source"](folder), "--languages", "sw"]
        assert main(["build", *base, "--out", str(folder / "base")]) == 0
    plain = [*PATHS[path](folder), *BESIDES.get(option, [])]
    arguments = [*PATHS[path](folder), *OPTIONS[option](folder)]
    sentence = TABLE[option][path]
    if sentence in (CHANGES, SAME):
        assert main(["build", *plain, "--out", str(folder / "plain")]) == 0
        assert main(["build", *arguments, "--out", str(folder / "out")]) == 0
        assert (contents(folder / "out") == contents(folder / "plain")) == (sentence == SAME)
    else:
        assert main(["build", *arguments, "--out", str(folder / "out")]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert re.search(sentence if sentence == GONE else re.escape(sentence), said)
        assert not (folder / "out").exists()
