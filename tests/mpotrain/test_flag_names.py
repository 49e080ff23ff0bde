"""A mistyped flag and a call for help are answered before torch and transformers are imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from mpodata.errors import ConfigError
from mpotrain.flag_names import check_flag_names, flag_names

RUN = """
import contextlib, io, sys
from {package}.cli import COMMANDS, main

for words in {calls}:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        code = main(words)
heavy = {{"torch", "transformers", "trl", "accelerate", "peft", "datasets", "vllm", "ctranslate2"}} & set(sys.modules)
assert not heavy, heavy
"""


def stderr_of(package: str, calls: str) -> str:
    """What `main` says to each of the calls, in a process that must not import what trains models."""
    run = subprocess.run(
        [sys.executable, "-c", RUN.format(package=package, calls=calls)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


@pytest.mark.parametrize("package", ["mpodata", "mpotrain"])
def test_help_and_version_import_nothing_that_trains(package: str) -> None:
    assert not stderr_of(package, '[[name, "--help"] for name in COMMANDS] + [["--help"], ["--version"]]')


MISTYPED = """[
    [*command, "--preset", "pocket", "--learning_rat", "1"]
    for command in (["train"], ["sweep", "--out", "x"], ["iterate", "--model", "m", "--recipe", "lidr", "--out", "x"])
]"""


def test_a_mistyped_flag_is_refused_without_torch() -> None:
    told = stderr_of("mpotrain", MISTYPED).splitlines()
    assert len(told) == 3
    sentence = (
        "Unknown flag --learning_rat. Did you mean --learning_rate? `mpotrain train --help-all` lists every flag."
    )
    assert set(told) == {f"mpotrain: {sentence}"}


def test_a_launch_flag_without_a_launch_is_refused_without_torch() -> None:
    assert "--nproc says how processes are started: add --launch" in stderr_of(
        "mpotrain", '[["train", "--nproc", "2"]]'
    )


def test_every_flag_of_the_parser_is_known_before_it_exists() -> None:
    from trl import ModelConfig

    from mpotrain.config import DataConfig, HyperConfig, MethodConfig, MPOConfig
    from mpotrain.flags import Flags

    parser = Flags((DataConfig, MethodConfig, HyperConfig, MPOConfig, ModelConfig), allow_abbrev=False)
    options = [option for option in parser._option_string_actions if option.startswith("--")]
    assert len(options) > 200
    check_flag_names(options)
    check_flag_names(["--model", "--out=x", "--rows_per_language", "10", "--config", "run.yaml"])


def test_no_flag_is_refused_where_a_library_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown flag --bta\. Did you mean --beta\?"):
        check_flag_names(["--bta", "1"])
    flag_names.cache_clear()
    monkeypatch.setattr("mpotrain.flag_names.LIBRARIES", {"transformers": "no_such_file.py", "trl": "no_file.py"})
    try:
        check_flag_names(["--bta", "1"])  # the parser finds it later
    finally:
        flag_names.cache_clear()
