"""Every option of an evaluation changes its results or is refused; so does every option of a merged LoRA run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mpotrain.cli import main

BASE = ["--model", "pocket-chat", "--benchmarks", "pocket", "--languages", "en,sw", "--limit", "2"]
CHANGES = ""
TABLE = {  # option -> the sentence that refuses it, or CHANGES; with what it needs besides
    ("--languages", "sw"): CHANGES,
    ("--languages", "en,sw,sw"): "--languages names sw 2 times",
    ("--languages", "sw,ha"): "No prompt in ha",
    ("--languages", "xx"): "Unknown language 'xx'",
    ("--limit", "1"): CHANGES,
    ("--limit", "0"): "--limit must be at least 1, got 0",
    ("--seed", "7"): "at temperature 0 nothing is sampled: add --temperature",
    ("--seed", "7", "--temperature", "1.5"): CHANGES,
    ("--temperature", "1.5"): CHANGES,
    ("--temperature", "-1"): "--temperature must be between 0 and 2, got -1",
    ("--max-tokens", "3"): CHANGES,
    ("--max-tokens", "0"): "--max-tokens must be at least 1, got 0",
    ("--revision", "main"): "--revision names a revision of a Hub model, which pocket-chat is not",
    ("--shots", "3"): "--shots are examples before MMLU questions: add --utility mmlu or global-mmlu",
    ("--both-orders",): "--both-orders is for comparing two answers: add --utility x-alpacaeval",
    ("--baseline-answers", "x.json"): "--baseline-answers is for comparing two answers: add --utility x-alpacaeval",
    ("--utility", "x-alpacaeval"): "x-alpacaeval compares with another model's answers: add --baseline-answers",
    ("--benchmarks", "pocket-dev"): CHANGES,
    ("--benchmarks", "pocket,pocket"): "--benchmarks names pocket 2 times",
    ("--benchmarks", "nowhere"): "Unknown benchmark 'nowhere'",
    ("--judge", "rules,rules"): "--judge names a judge twice",
    ("--set", "polyguard.model=x"): "polyguard does not judge. Add it: --judge rules,polyguard",
    ("--set", "rules.model=x"): "Unknown option of judge 'rules': 'model'. Known: none.",
    ("--data", "xstest=x.csv"): "'xstest' is in neither --benchmarks nor --utility",
    ("--name", "mine"): CHANGES,
    ("--gap", "nowhere"): "nowhere",
    ("--split", "dev"): "--split: invalid choice: 'dev'",
    ("--baseline",): "--baseline needs a training run that names its base model",
    ("--utility", "mgsm"): "mgsm",
    ("--engine", "nobody"): "Unknown engine 'nobody'",
}


def told(folder: Path, *options: str) -> Any:
    """What an evaluation measured and of what, without where and when."""
    assert main(["eval", *BASE, *options, "--out", str(folder)]) == 0
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    responses = (folder / "responses.jsonl").read_text(encoding="utf-8")
    return responses, {key: results[key] for key in ("cells", "signature", "model")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return told(tmp_path_factory.mktemp("plain") / "eval")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return told(tmp_path_factory.mktemp("sampled") / "eval", "--temperature", "1.5")


@pytest.mark.parametrize("options", [options for options, said in TABLE.items() if said == CHANGES], ids=" ".join)
def test_an_option_changes_the_results(options: tuple[str, ...], tmp_path: Path, plain: Any, sampled: Any) -> None:
    assert told(tmp_path / "eval", *options) != (sampled if "--seed" in options else plain)


@pytest.mark.parametrize("options", [options for options, said in TABLE.items() if said != CHANGES], ids=" ".join)
def test_an_option_that_could_do_nothing_is_refused(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *BASE, *options, "--out", str(tmp_path / "eval")]) == 2
    said = capsys.readouterr().err
    assert re.search(re.escape(TABLE[options]), " ".join(said.split()))
    assert "Traceback" not in said
    assert not (tmp_path / "eval" / "results.json").exists()


def test_every_flag_of_eval_stands_in_the_table() -> None:
    from argparse import ArgumentParser

    from mpotrain.commands.eval import arguments

    parser = ArgumentParser(add_help=False)
    arguments(parser)
    flags = {flag for action in parser._actions for flag in action.option_strings}
    said_elsewhere = {"--model", "--run", "--out", "--json"}  # who, where to and how it is shown
    assert flags - said_elsewhere == {word for options in TABLE for word in options if word.startswith("--")}
