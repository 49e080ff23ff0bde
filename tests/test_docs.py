"""What the documents say is true."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from mpodata.cli import COMMANDS as MPODATA
from mpodata.engines import ENGINES
from mpodata.refusals import DETECTORS
from mpodata.sources import SOURCES
from mpodata.translators import TRANSLATORS
from mpotrain.cli import COMMANDS as MPOTRAIN
from tests.readme.blocks import statements

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LAYOUT = README.split("## Layout")[1].split("```")[1]


def test_every_path_of_the_layout_exists() -> None:
    folder = ROOT
    for line in LAYOUT.strip().splitlines():
        name = line.split()[0]
        folder = ROOT if not line.startswith(" ") else folder
        assert (folder / name).exists(), line
        if not line.startswith(" "):
            folder = ROOT / name


def test_every_folder_of_the_packages_stands_in_the_layout() -> None:
    for package in ("mpodata", "mpotrain"):
        folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert {name for name in folders if f"{name}/" not in LAYOUT} == set()


@pytest.mark.parametrize(
    ("row", "table"),
    [("sources", SOURCES), ("engines", ENGINES), ("detectors", DETECTORS), ("translators", TRANSLATORS)],
)
def test_the_names_in_the_table_are_those_a_user_may_type(row: str, table: dict[str, str]) -> None:
    (names,) = re.findall(rf"^\| {row} \| (.*) \|$", README, re.MULTILINE)
    assert set(names.split(", ")) == set(table)


def test_the_methods_in_the_table_are_those_that_train() -> None:
    losses = import_module("mpotrain.objective.losses")
    (names,) = re.findall(r"^\| methods \| (.*) \|$", README, re.MULTILINE)
    assert set(names.split(", ")) == set(losses.LOSSES)


@pytest.mark.parametrize(
    "line", [statement.text for statement in statements() if statement.text.startswith(("mpodata ", "mpotrain "))]
)
def test_every_command_line_of_the_readme_is_understood(line: str) -> None:
    import argparse

    words = shlex.split(line, comments=True)
    program, command, rest = words[0], words[1], words[2:]
    assert command in (MPODATA if program == "mpodata" else MPOTRAIN)
    module = import_module(f"{program}.commands.{command.replace('-', '_')}")
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    module.arguments(parser)
    _, unknown = parser.parse_known_args(rest)
    if getattr(module, "OWN_FLAGS", False):
        flags = import_module("mpotrain.config").flags_help()
        own = {f"--{name}" for name in getattr(module, "FLAGS", ())}
        unknown = [word for word in unknown if word.startswith("-") and word not in flags and word not in own]
    assert not unknown


@pytest.mark.parametrize("program", ["mpodata", "mpotrain"])
def test_every_command_has_a_file_help_and_an_example(program: str) -> None:
    commands = MPODATA if program == "mpodata" else MPOTRAIN
    for command in commands:
        module = import_module(f"{program}.commands.{command.replace('-', '_')}")
        assert module.HELP
        assert module.EXAMPLE.startswith(f"{program} {command}")


@pytest.mark.parametrize(
    ("page", "begin", "end"),
    [
        ("README.md", "<!-- quickstart:begin -->", "<!-- quickstart:end -->"),
        ("docs/results.md", "<!-- comparison: scripts/compare_methods.py -->", "<!-- end of comparison -->"),
        ("docs/results.md", "<!-- measured:begin -->", "<!-- measured:end -->"),
    ],
)
def test_nothing_is_left_to_fill_in(page: str, begin: str, end: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.split(begin)[1].split(end)[0].strip()) > 100


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
