"""Every flag of every command of both programs, with a value that is understood and one that is refused.

The refusal is what a user meets: exit code 2 and one sentence that names what was wrong, before anything is built,
loaded or published. `mpotrain train` takes the trainer's flags too: those of this project stand in TRAIN.
"""

import argparse
import json
import shlex
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import mpodata.cli
import mpotrain.cli
from tests.mpodata.readable_version import write_readable
from tests.mpotrain.fake_judge import answers, evaluation

SWITCH = ("", "=x", "ignored explicit argument")  # a flag without a value
EMPTY = "names nothing"
LEAST_1, WHOLE = "must be at least 1", "must be a whole number"

# flag -> (a good value, a bad value, words of the refusal). {name} is a path of the fixture `place`.
Cases = dict[str, tuple[str, str, str]]

RECIPE: Cases = {
    "--recipe": ("quickstart", "no-such-recipe", "no-such-recipe"),
    "--source": ("{rows}", "{missing}.csv", "missing.csv"),
    "--source-columns": ("prompt=question", "prompt", "takes ours=theirs"),
    "--chosen": ("source", "both", "invalid choice: 'both'"),
    "--model": ("pocket-chat", "{missing}/model --chosen policy", "missing/model"),
    "--revision": ("main", "main", "revision"),
    "--refusal-prompt": ("Refuse.", "Refuse.", "leave --refusal-prompt out"),
    "--engine": ("replay", "vlllm", "Did you mean 'vllm'?"),
    "--translator": ("nllb-3.3b", "nllb-3.3", "Did you mean 'nllb-3.3b'?"),
    "--languages": ("sw,zh", ",", EMPTY),
    "--dominant": ("en", "english!", "english!"),
    "--samples": ("100", "0", "samples must be positive"),
    "--pairs": ("100", "0", "pairs must be positive"),
    "--seed": ("7", "seven", WHOLE),
    "--decontaminate": ("a.csv,b.csv", "{missing}.csv", "missing.csv"),
    "--checks": ("keep", "maybe", "invalid choice"),
    "--round-trip": SWITCH,
    "--quality-estimation": ("http://127.0.0.1:9/", "{missing}/command", "missing/command"),
    "--set": ("samples=3", "sampels=3", "Did you mean 'samples'?"),
    "--journal": ("{out}.sqlite", "{folder}", "folder"),
}
MPODATA: dict[str, Cases] = {
    "build": {
        **RECIPE,
        "--out": ("{out}", "{rows}", "is not a dataset version"),
        "--add-to": ("{version}", "{missing}/version", "missing/version"),
        "--push-to-hub": ("user/name", "not a name", "not a name"),
        "--version": ("2.0.0", "2.0.0", "add --push-to-hub USER/NAME"),
        "--public": ("", "", "add --push-to-hub USER/NAME"),
        "--no-gated": ("", "", "add --push-to-hub USER/NAME"),
        "--scale": ("ray", "slurm", "invalid choice"),
        "--workers": ("2", "0", LEAST_1),
        "--cpus-per-worker": ("4", "0 --scale ray", "must be greater than 0"),
        "--gpus-per-worker": ("0.5", "-1 --scale ray", "must be at least 0"),
    },
    "build-native": {
        "slots": ("{rows}", "{missing}.csv", "missing.csv"),
        "--languages": ("en,sw", ",", EMPTY),
        "--per-slot": ("5", "0", LEAST_1),
        "--generator": ("pocket-chat", "pocket-chat --engine vlm", "Did you mean 'vllm'?"),
        "--refuser": ("pocket-chat", "pocket-chat --engine vlm", "Did you mean 'vllm'?"),
        "--rejected-model": ("pocket-chat", "pocket-chat --engine vlm", "Did you mean 'vllm'?"),
        "--guards": ("polyguard,qwen3guard", "polyguard", "takes two different guards"),
        "--engine": ("vllm", "vlm", "Did you mean 'vllm'?"),
        "--set": ("generator.device=cpu", "device=cpu", "must look like PART.OPTION=VALUE"),
        "--test-share": ("0.2", "2", "must be between 0 and 1"),
        "--seed": ("7", "seven", WHOLE),
        "--journal": ("{out}.sqlite", "{folder}", "folder"),
        "--out": ("{out}", "{version}", "version"),
    },
    "plan": {
        **RECIPE,
        "--gpu": ("a100", "b100", "invalid choice"),
        "--gpus": ("8", "0", LEAST_1),
        "--policy-billions": ("8", "0", "must be greater than 0"),
        "--translator-billions": ("3.3", "nan", "must be greater than 0"),
        "--json": SWITCH,
    },
    "audit": {
        "data": ("{rows}", "{missing}.jsonl", "missing.jsonl"),
        "--format": ("trl", "tlr", "invalid choice"),
        "--dominant": ("en", "english!", "english!"),
        "--split": ("train", "dev", "dev"),
        "--config": ("sw", "sw", "config"),
        "--revision": ("main", "main", "revision"),
        "--against": ("{rows}", "{missing}.csv", "missing.csv"),
        "--no-refusals": SWITCH,
        "--html": ("{out}.html", "{missing}/page.html", "does not exist. Make it first"),
        "--examples": ("0", "-1", "must be at least 0"),
        "--reveal": ("", "", "give --html OUT as well"),
        "--rows": ("{out}.csv", "{out}.txt", "name a file that ends in"),
        "--workers": ("2", "0", LEAST_1),
        "--json": SWITCH,
    },
    "publish": {
        "folder": ("{version}", "{missing}", "missing"),
        "--to": ("{out}/name", "name", "Write user/name or ./name"),
        "--version": ("1.2.0", "1.2", "Write MAJOR.MINOR.PATCH"),
        "--public": SWITCH,
        "--no-gated": SWITCH,
        "--replace": SWITCH,
        "--commercial-only": SWITCH,
        "--json": SWITCH,
    },
    "versions": {"name": ("{out}/name", "name", "Write user/name or ./name"), "--json": SWITCH},
    "diff": {
        "old": ("{version}", "{missing}/old", "missing/old"),
        "new": ("{version}", "{missing}/new", "missing/new"),
        "--json": SWITCH,
    },
    "verify": {"reference": ("{version}", "{version}@1.x", "is not a version"), "--json": SWITCH},
    "show": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--pair": ("1", "99", "there is no pair 99"),
        "--reveal": SWITCH,
        "--json": SWITCH,
    },
    "review": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--reader": ("amina", "../amina", "use up to 40 letters"),
        "--languages": ("sw", "sv", "Did you mean 'sw'?"),
        "--reviews": ("{out}", "{rows}", "rows.jsonl"),
        "--limit": ("10", "0", LEAST_1),
        "--no-checks": SWITCH,
        "--port": ("8080", "65536", "must be 0 to 65535"),
        "--open": SWITCH,
    },
    "apply-review": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--reviews": ("{rows}", "{missing}.jsonl", "missing.jsonl"),
        "--out": ("{out}", "{version}", "holds a complete version already"),
        "--to": ("{out}/name", "name", "Write user/name or ./name"),
        "--version": ("2.0.0", "2.0.0", "give --to NAME as well"),
        "--disagreements": ("first", "second", "invalid choice"),
    },
    "compare-translators": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--translators": ("google,nllb-3.3b", ",", EMPTY),
        "--html": ("{out}.html", "{missing}/page.html", "does not exist. Make it first"),
        "--examples": ("0", "-1", "must be at least 0"),
        "--reveal": ("", "", "give --html OUT or --json as well"),
        "--json": SWITCH,
    },
    "original-pairs": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--translator": ("nllb-600m", "mapo", "mapo"),
        "--languages": ("sw", "sv", "Did you mean 'sw'?"),
        "--split": ("train", "dev", "dev"),
        "--out": ("{out}", "{folder}", "is a folder: name a file"),
        "--journal": ("{out}.sqlite", "{folder}", "folder"),
    },
    "translate-benchmark": {
        "file": ("{xstest}", "{missing}.csv", "missing.csv is not a file"),
        "--translator": ("nllb-3.3b", "nllb-3.3", "Did you mean 'nllb-3.3b'?"),
        "--languages": ("sw,zh", "en", "XSTest's own language"),
        "--out": ("{out}", "{rows}", "is a file: name a folder"),
        "--model": ("pocket-chat", "pocket-chat", "pocket-nllb asks no chat model"),
        "--engine": ("transformers", "transformers", "pocket-nllb asks no chat model"),
        "--set": ("translator.device=cpu", "samples=3", "takes translator.OPTION=VALUE"),
        "--journal": ("{out}.sqlite", "{folder}", "folder"),
    },
    "export": {
        "reference": ("{version}", "{missing}/demo", "missing/demo"),
        "--format": ("trl", "tlr", "Did you mean 'trl'?"),
        "--model": ("pocket-chat", "''", "is empty"),
        "--out": ("{out}", "{rows}", "exists"),
    },
}
MPOTRAIN: dict[str, Cases] = {
    "train": {
        "--preset": ("pocket", "poket", "Did you mean 'pocket'?"),
        "--launch": ("ddp", "dpp", "Did you mean 'ddp'?"),
        "--nproc": ("2", "0", LEAST_1),
        "--nnodes": ("2", "0", LEAST_1),
        "--rdzv": ("host:29500", "host:29500", "add --launch"),
        "--help-all": SWITCH,
    },
    "sweep": {
        "--method": ("dpo", "dop", "Did you mean 'dpo'?"),
        "--preset": ("pocket", "poket", "Did you mean 'pocket'?"),
        "--out": ("{out}", "{rows}", "rows.jsonl"),
        "--common": SWITCH,
        "--values": ("beta=0.1,0.5", "beta", "must look like beta=0.1,0.5"),
        "--metric": ("eval_loss", "accuracy", "names no measure of a run"),
        "--lowest": SWITCH,
        "--dry-run": SWITCH,
    },
    "iterate": {
        "--rounds": ("2", "0", LEAST_1),
        "--model": ("pocket-chat", "{missing}/model", "missing/model"),
        "--recipe": ("lidr", "lidar", "Did you mean 'lidr'?"),
        "--build": ("=--seed", "=--out", "--out is no flag of a round's build"),
        "--eval": ("=--baseline", "='", "must be flags as a shell reads them"),
        "--reference": ("start", "end", "invalid choice"),
        "--same-prompts": SWITCH,
        "--least": ("0.1", "2", "must be between 0 and 1"),
        "--out": ("{out}", "{rows}", "rows.jsonl"),
        "--json": SWITCH,
    },
    "preview": {
        "--dataset": ("{version}", "{missing}/demo", "missing/demo"),
        "--model": ("pocket-chat", "{missing}/model", "missing/model"),
        "--translator": ("nllb-600m", "nllb-60m", "Did you mean 'nllb-600m'?"),
        "--languages": ("sw", "sv", "Did you mean 'sw'?"),
        "--rows": ("2", "0", LEAST_1),
        "--max-length": ("512", "1", "must be at least 2"),
        "--show-text": SWITCH,
        "--no-color": SWITCH,
    },
    "gap": {
        "--dataset": ("{version}", "{missing}/demo", "missing/demo"),
        "--model": ("pocket-chat", "{missing}/model", "missing/model"),
        "--base": ("pocket-chat", "{missing}/base", "missing/base"),
        "--translator": ("nllb-600m", "nllb-60m", "Did you mean 'nllb-600m'?"),
        "--languages": ("sw", ",", EMPTY),
        "--split": ("test", "dev", "dev"),
        "--kind": ("all", "none", "invalid choice"),
        "--beta": ("0.1", "0", "must be greater than 0"),
        "--dtype": ("bfloat16", "float7", "invalid choice"),
        "--max-length": ("512", "1", "must be at least 2"),
        "--chat-template": ("authors", "{missing}.jinja", "missing.jinja"),
        "--out": ("{out}.json", "{folder}", "is a folder: name a file"),
        "--json": SWITCH,
    },
    "states": {
        "--pairs": ("{version}", "{missing}.csv", "missing.csv"),
        "--model": ("pocket-chat", "{missing}/model", "missing/model"),
        "--languages": ("en,sw", ",", EMPTY),
        "--language": ("sw", " ", "is empty"),
        "--split": ("all", "dev", "invalid choice"),
        "--dtype": ("bfloat16", "float7", "invalid choice"),
        "--chat-template": ("authors", "{missing}.jinja", "missing.jinja"),
        "--out": ("{out}.html", "{folder}", "is a folder: name a file"),
        "--json": SWITCH,
    },
    "eval": {
        "--model": ("pocket-chat", "pocket-chat --run {out}", "not allowed with argument"),
        "--run": ("{out}", "{missing}/run", "missing/run"),
        "--revision": ("main", "main --engine replay", "revision"),
        "--name": ("mine", " ", "is empty"),
        "--baseline": ("", "", "--run"),
        "--benchmarks": ("multijail,xstest", "multijial", "multijial"),
        "--utility": ("mgsm", "mgms", "Did you mean 'mgsm'?"),
        "--data": ("pocket=x.csv", "pocket", "takes NAME=PATH"),
        "--languages": ("en,sw", ",", EMPTY),
        "--limit": ("10", "0", LEAST_1),
        "--shots": ("5", "-1", "must be at least 0"),
        "--baseline-answers": ("{rows}", "{rows}", "add --utility x-alpacaeval"),
        "--both-orders": ("", "", "add --utility x-alpacaeval"),
        "--judge": ("rules", "ruls", "Did you mean 'rules'?"),
        "--engine": ("vllm", "vlm", "Did you mean 'vllm'?"),
        "--max-tokens": ("64", "0", LEAST_1),
        "--temperature": ("0.7", "-1", "must be between 0 and 2"),
        "--seed": ("1", "one", WHOLE),
        "--set": ("engine.device=cpu", "enigne.device=cpu", "Did you mean 'engine'?"),
        "--gap": ("off", "{missing}/demo", "missing/demo"),
        "--split": ("all", "dev", "invalid choice"),
        "--out": ("{out}", "{rows}", "rows.jsonl"),
        "--json": SWITCH,
    },
    "tasks": {
        "--for": ("lm-eval", "lm-evil", "Did you mean 'lm-eval'?"),
        "--benchmarks": ("pocket", "pokcet", "pokcet"),
        "--data": ("pocket=x.csv", "pocket", "takes NAME=PATH"),
        "--languages": ("en,sw", ",", EMPTY),
        "--limit": ("10", "0", LEAST_1),
        "--max-tokens": ("64", "0", LEAST_1),
        "--out": ("{out}", "{folder}", "exists. Choose another folder"),
    },
    "calibrate": {
        "path": ("{evaluation}", "{missing}/eval", "missing/eval"),
        "--rows": ("200", "0", LEAST_1),
        "--seed": ("1", "one", WHOLE),
        "--out": ("{out}.csv", "{out}.csv --labels {rows}", "--labels reads a labelled one: give one of them"),
        "--labels": ("{rows}", "{missing}.csv", "missing.csv"),
    },
    "reproduce": {
        "paper": ("mpo", "mop", "mop"),
        "--table": ("2", "99", "99"),
        "--figure": ("4", "99", "99"),
        "--list": SWITCH,
        "--model": ("pocket-chat", " ", "is empty"),
        "--base-model": ("user/base", " ", "is empty"),
        "--preset": ("pocket", " ", "is empty"),
        "--judge": ("rules", " ", "is empty"),
        "--data": ("multijail=x.csv", "multijail", "NAME=PATH"),
        "--set": ("engine.device=cpu", "device=cpu", "must look like PART.OPTION=VALUE"),
        "--limit": ("10", "0", LEAST_1),
        "--samples": ("10", "0", LEAST_1),
        "--search": SWITCH,
        "--launch": ("ddp", "dpp", "invalid choice"),
        "--nproc": ("2", "0", LEAST_1),
        "--train": ("=--pad", "='", "must be flags as a shell reads them"),
        "--build": ("=--seed", "='", "must be flags as a shell reads them"),
        "--skip-missing": SWITCH,
        "--dry-run": SWITCH,
        "--out": ("{out}", "{rows}", "is a file: name a folder"),
    },
    "report": {
        "paths": ("{evaluation}", "{missing}/eval", "missing/eval"),
        "--against": ("{evaluation}", "{missing}/base", "missing/base"),
        "--out": ("{out}.html", "{folder}", "is a folder: name a file"),
        "--published": ("mpo-table-2", "mpo-tabel-2", "mpo-tabel-2"),
        "--show-text": ("5", "-1", "must be at least 0"),
    },
}
TABLE = {"mpodata": MPODATA, "mpotrain": MPOTRAIN}
MAINS = {"mpodata": mpodata.cli.main, "mpotrain": mpotrain.cli.main}
COMMANDS = {"mpodata": mpodata.cli.COMMANDS, "mpotrain": mpotrain.cli.COMMANDS}

# What each command needs besides the flag that is tried: right words, so that the bad value alone is refused.
NEEDED: dict[str, dict[str, str]] = {
    "build": {
        "--source": "{rows}", "--chosen": "source", "--translator": "pocket-nllb", "--languages": "sw",
        "--out": "{out}",
    },
    "build-native": {
        "slots": "{rows}", "--languages": "en", "--generator": "pocket-chat", "--refuser": "pocket-chat",
        "--rejected-model": "pocket-chat", "--out": "{out}",
    },
    "plan": {"--source": "{rows}", "--chosen": "source", "--translator": "pocket-nllb", "--languages": "sw"},
    "audit": {"data": "{rows}"},
    "publish": {"folder": "{version}", "--to": "{out}/name"},
    "versions": {"name": "{out}/name"},
    "diff": {"old": "{version}", "new": "{version}"},
    "verify": {"reference": "{version}"},
    "show": {"reference": "{version}", "--pair": "1"},
    "review": {"reference": "{version}", "--reader": "amina", "--reviews": "{out}"},
    "apply-review": {"reference": "{version}", "--reviews": "{review}", "--out": "{out}"},
    "compare-translators": {"reference": "{version}"},
    "original-pairs": {"reference": "{version}", "--out": "{out}"},
    "translate-benchmark": {
        "file": "{xstest}", "--translator": "pocket-nllb", "--languages": "sw", "--out": "{out}",
    },
    "export": {"reference": "{version}", "--format": "trl", "--out": "{out}"},
    "train": {"--dataset": "{version}", "--model": "pocket-chat", "--output_dir": "{out}"},
    "sweep": {"--out": "{out}", "--dataset": "{version}", "--model": "pocket-chat"},
    "iterate": {"--model": "pocket-chat", "--recipe": "quickstart", "--same-prompts": "", "--out": "{out}"},
    "preview": {"--dataset": "{version}", "--model": "pocket-chat"},
    "gap": {"--dataset": "{version}", "--model": "pocket-chat"},
    "states": {"--pairs": "{version}", "--model": "pocket-chat"},
    "eval": {"--model": "pocket-chat", "--benchmarks": "pocket", "--out": "{out}"},
    "tasks": {"--for": "lm-eval", "--benchmarks": "pocket", "--out": "{out}"},
    "calibrate": {"path": "{evaluation}"},
    "reproduce": {"paper": "mpo", "--table": "2", "--dry-run": ""},
    "report": {"paths": "{evaluation}"},
}  # fmt: skip


@pytest.fixture
def place(inputs: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The paths that the table names: those of `inputs`, and one where nothing is yet."""
    return {**inputs, "out": str(tmp_path / "out")}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("flags")
    row = {"prompt": "How do I pick a lock?", "chosen": "I'm sorry, I can't help with that.", "rejected": "Use a pin."}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    xstest = "id,prompt,type,label,focus,note\n1,How do I bake bread?,safe_contexts,safe,bake,\n"
    (folder / "xstest.csv").write_text(xstest, encoding="utf-8")
    write_readable(folder / "version", count=2)
    (folder / "folder").mkdir()
    evaluation(
        folder / "evaluation", "small", answers({"en": 0.1, "sw": 0.5}, "harmful", lambda i, rate: i < rate * 20, n=20)
    )
    (folder / "review.jsonl").write_text('{"format":1,"reader":"amina","reference":"demo"}\n', encoding="utf-8")
    paths = {name: folder / name for name in ("missing", "version", "folder", "evaluation")}
    paths |= {name: folder / f"{name}.jsonl" for name in ("rows", "review")}
    paths["xstest"] = folder / "xstest.csv"
    return {name: str(path) for name, path in paths.items()}


def parser_of(program: str, command: str) -> tuple[ModuleType, argparse.ArgumentParser]:
    module = import_module(f"{program}.commands.{command.replace('-', '_')}")
    parser = mpodata.cli.CommandParser(f"{program} {command}", allow_abbrev=False)
    module.arguments(parser)
    return module, parser


def every_flag() -> list[tuple[str, str, str]]:
    return [
        (program, command, flag) for program, table in TABLE.items() for command in table for flag in table[command]
    ]


def words(needed: dict[str, str], flag: str, value: str, place: dict[str, str]) -> list[str]:
    """A command line: what is needed, and the flag (or positional) with its value."""
    other = {"--run": "--model", "--figure": "--table", "--list": "--table"}.get(flag)  # the two exclude each other
    given = {name: text for name, text in needed.items() if name not in (flag, other)}
    line = [part for name, text in given.items() if name.startswith("-") for part in (name, text) if part]
    positionals = {**{name: text for name, text in needed.items() if not name.startswith("-")}}
    if flag.startswith("-"):
        tried = [f"{flag}{value}"] if value.startswith("=") else [flag, *_split(value)]
    else:
        tried = []
        positionals[flag] = value
    return [part.format(**place) for part in (*positionals.values(), *line, *tried)]


def _split(value: str) -> list[str]:
    """The value, and further words behind it where it holds some (`0 --scale ray`)."""
    first, marker, rest = value.partition(" --")
    first = "" if first == "''" else first
    return ([first] if value and (first or value == "''" or not marker) else []) + (
        shlex.split(f"--{rest}") if marker else []
    )


@pytest.mark.parametrize("program", ["mpodata", "mpotrain"])
def test_no_command_or_flag_is_missing_from_the_table(program: str) -> None:
    assert set(TABLE[program]) == set(COMMANDS[program])
    for command, cases in TABLE[program].items():
        _, parser = parser_of(program, command)
        flags = {(action.option_strings or [action.dest])[0] for action in parser._actions if action.dest != "help"}
        assert set(cases) == flags, command


@pytest.mark.parametrize(("program", "command", "flag"), every_flag())
def test_a_good_value_is_understood(program: str, command: str, flag: str, place: dict[str, str]) -> None:
    good, _, _ = TABLE[program][command][flag]
    _, parser = parser_of(program, command)
    line = words(NEEDED[command], flag, good, place)
    own = [word for word in line if word in ("--dataset", "--model", "--output_dir")] if program == "mpotrain" else []
    args, unknown = parser.parse_known_args(line)
    assert not unknown or own
    action = next(action for action in parser._actions if flag in (*action.option_strings, action.dest))
    assert getattr(args, action.dest) != action.default or good.format(**place) == str(action.default)


@pytest.mark.parametrize(("program", "command", "flag"), every_flag())
def test_a_bad_value_is_refused_in_one_sentence(
    program: str, command: str, flag: str, place: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, bad, told = TABLE[program][command][flag]
    line = words(NEEDED[command], flag, bad, place)
    assert MAINS[program]([command, *line]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"{program}: ")
    assert any(part in error for part in told.split("|")), error
    assert not Path(place["out"]).exists()
