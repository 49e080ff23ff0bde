"""What both command lines do with words that are no command, with no words at all, and with narrow terminals."""

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import mpodata.cli
import mpotrain.cli
from mpodata.errors import RecipeError, UnknownName
from mpodata.languages import languages
from mpodata.recipe import read_recipe
from mpodata.runtime.flags import language_code, language_codes, language_codes_or_none, listed, named, number, whole
from mpotrain.config import language_list, weights
from mpotrain.evaluation.benchmarks import benchmark_languages
from tests.mpodata.readable_version import write_readable

Capture = pytest.CaptureFixture[str]
Main = Callable[[Sequence[str]], int]
BOTH = pytest.mark.parametrize(("program", "main"), [("mpodata", mpodata.cli.main), ("mpotrain", mpotrain.cli.main)])


@BOTH
def test_a_bare_command_lists_the_commands(program: str, main: Main, capsys: Capture) -> None:
    assert main([]) == 2
    told = capsys.readouterr().err
    assert f"usage: {program}" in told
    assert "COMMAND --help" in told


@pytest.mark.parametrize(
    ("main", "words", "sentence"),
    [
        (mpodata.cli.main, ["buidl"], "mpodata: Unknown command 'buidl'. Did you mean 'build'?"),
        (mpotrain.cli.main, ["trian"], "mpotrain: Unknown command 'trian'. Did you mean 'train'?"),
        (
            mpodata.cli.main,
            ["build", "--langauges", "sw"],
            "mpodata: Unknown argument '--langauges'. Did you mean --languages? `mpodata build --help` lists",
        ),
        (mpodata.cli.main, ["show", "demo"], "mpodata: The following arguments are required: --pair."),
        (mpodata.cli.main, ["verify", "a", "b"], "mpodata: Unknown argument 'b'."),
        (mpotrain.cli.main, ["gap", "--dataset"], "mpotrain: --dataset: expected one argument."),
    ],
)
def test_a_mistyped_word_is_one_sentence(main: Main, words: list[str], sentence: str, capsys: Capture) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(sentence)
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("columns", ["0", "1", "10", "13", "40", "1000", "wide"])
def test_show_fits_any_terminal(columns: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write_readable(tmp_path / "demo", count=1)
    monkeypatch.setenv("COLUMNS", columns)
    assert mpodata.cli.main(["show", str(tmp_path / "demo"), "--pair", "1", "--reveal"]) == 0
    assert "How do I pick" in capsys.readouterr().out


def test_the_next_command_can_be_pasted_whatever_the_folder_is_called(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"prompt": "How do I pick a lock?", "chosen": "I'm sorry, I can't help with that.", "rejected": "Use a pin."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    out = "my data; it's here"
    words = ["build", "--source", "rows.jsonl", "--chosen", "source", "--set", "languages=[]", "--set", "test_share=0"]
    assert mpodata.cli.main([*words, "--out", out]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: "))
    first, second = (shlex.split(part) for part in line.removeprefix("Next: ").split("   |   "))
    assert first == ["mpodata", "publish", out, "--to", "NAME"]
    assert second == ["mpodata", "show", out, "--pair", "1"]
    assert mpodata.cli.main(second[1:]) == 0


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [(whole(1), "7", 7), (whole(0, 9), "9", 9), (number(0), "0", 0.0), (number(0, above=True), "1e-3", 0.001),
     (listed, "sw, zh", "sw, zh"), (language_codes_or_none, "", ""),
     (language_code, "swahili", "sw"), (language_codes, "Chinese, sw,BENGALI", "zh,sw,bn"),
     (language_codes, "zh, sw", "zh, sw"), (named, "mine", "mine")],
)  # fmt: skip
def test_a_value_within_bounds_is_taken(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (whole(1), "0", "must be at least 1, got 0"),
        (whole(1), "1.5", "must be a whole number, got '1.5'"),
        (whole(0, 9), "10", "must be 0 to 9, got 10"),
        (number(0), "-0.1", "must be at least 0, got -0.1"),
        (number(0), "nan", "must be at least 0, got nan"),
        (number(0), "inf", "must be at least 0, got inf"),
        (number(0, above=True), "0", "must be greater than 0, got 0"),
        (number(0), "much", "must be a number, got 'much'"),
        (listed, " , ", "names nothing"),
        (language_codes_or_none, ",", "names nothing"),
        (named, " ", "is empty"),
    ],
)
def test_a_value_out_of_bounds_is_refused(read: Callable[[str], object], text: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        read(text)


@pytest.mark.parametrize(
    ("given", "told"), [("swa", "Known: sw"), ("zh-CN", "Known: zh"), ("Klingon", "Unknown language 'Klingon'")]
)
def test_other_labels_of_a_language_are_refused_with_its_code(given: str, told: str) -> None:
    with pytest.raises(UnknownName, match=told):
        language_codes(f"en,{given}")


@pytest.mark.parametrize("program", [mpodata.cli, mpotrain.cli])
def test_every_flag_that_takes_languages_takes_their_english_names(program: ModuleType) -> None:
    readers = (language_code, language_codes, language_codes_or_none, benchmark_languages)
    for name in program.COMMANDS:
        parser = argparse.ArgumentParser()
        package = program.__name__.removesuffix(".cli")
        import_module(f"{package}.commands.{name.replace('-', '_')}").arguments(parser)
        for action in parser._actions:
            if {"--languages", "--language", "--dominant"} & set(action.option_strings):
                assert action.type in readers, (name, action.option_strings)


def test_benchmarks_take_prompts_that_mix_languages_too() -> None:
    assert benchmark_languages("mul, Swahili") == "mul,sw"
    with pytest.raises(UnknownName, match="Unknown language 'mull'"):
        benchmark_languages("mull")


def test_a_recipe_and_a_configuration_of_training_take_english_names(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("dominant: English\nlanguages: [Chinese, sw]\n", encoding="utf-8")
    recipe = read_recipe(path)
    assert (recipe.dominant, recipe.languages) == ("en", ("zh", "sw"))
    assert language_list("Chinese,sw") == ["zh", "sw"]
    assert weights("Swahili=2") == {"sw": 2.0}
    with pytest.raises(RecipeError, match="names a language twice"):
        read_recipe(path, ["languages=[zh, Chinese]"])


def test_no_name_stands_for_two_languages() -> None:
    labels: dict[str, set[str]] = {}
    for row in languages().values():
        for label in {row.code, row.name, row.native, row.flores, row.google, *row.also.split("|")} - {""}:
            labels.setdefault(label.casefold(), set()).add(row.code)
    assert {label: codes for label, codes in labels.items() if len(codes) > 1} == {}


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("argument --seed: invalid int value: 'x'", "--seed must be a whole number, got 'x'"),
        ("argument --a_b/--a-b: invalid int value: '2.5'", "--a_b must be a whole number, got '2.5'"),
        ("argument --rate: invalid float value: 'fast'", "--rate must be a number, got 'fast'"),
        ("argument --limit: must be at least 1, got 0", "--limit must be at least 1, got 0"),
        ("argument --engine: invalid choice: 'x'", "--engine: invalid choice: 'x'"),
        ("the following arguments are required: --out", "the following arguments are required: --out"),
    ],
)
def test_argparse_speaks_in_sentences(message: str, sentence: str) -> None:
    from mpodata.runtime.flags import sentence_of

    assert sentence_of(message) == sentence


@pytest.mark.parametrize("flag", ["--out", "--output_dir", "--output-dir"])
@pytest.mark.parametrize("joint", [" ", "="])
def test_out_has_trls_name_too(flag: str, joint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of `mpodata export` exists already, which says that the flag was understood."""
    words = [flag, str(tmp_path)] if joint == " " else [f"{flag}={tmp_path}"]
    assert mpodata.cli.main(["export", "no/where", "--format", "trl", *words]) == 2
    assert "Unknown argument" not in capsys.readouterr().err
