"""Writes docs/cli.md: every command of both programs with its flags, as their parsers say them.

    python scripts/cli_reference.py            # write the page
    python scripts/cli_reference.py --check    # exit status 1 where it is not current

`tests/test_cli_reference.py` holds that the page is current.
"""

import argparse
import re
import sys
from importlib import import_module
from pathlib import Path

import mpodata.cli
import mpotrain.cli

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
PROGRAMS = {"mpodata": mpodata.cli.COMMANDS, "mpotrain": mpotrain.cli.COMMANDS}
ABOUT = {"mpodata": mpodata.cli.ABOUT, "mpotrain": mpotrain.cli.ABOUT}


def document() -> str:
    """The whole page."""
    parts = [
        "# Commands",
        "Written by `scripts/cli_reference.py` from the parsers: change those, then run it.",
        "Exit status of every command: 0; 2 for what you can mend, with one sentence on standard error; 1 for a bug; "
        "130 after Ctrl-C.",
    ]
    for program, commands in PROGRAMS.items():
        listed = ", ".join(f"[{name}](#{program}-{name})" for name in commands)
        parts += [f"## {program}", f"{ABOUT[program]} {listed}."]
        parts += [command(program, name) for name in commands]
    return "\n\n".join(parts) + "\n"


def command(program: str, name: str) -> str:
    """One command: what it does, an example, its flags."""
    module = import_module(f"{program}.commands.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(f"{program} {name}", add_help=False)
    module.arguments(parser)
    lines = [f"| {_cell(_flag(action))} | {_cell(_help(action))} |" for action in parser._actions if action.help]
    lines += [f"| `--{flag}` | {_cell(text)} |" for flag, text in getattr(module, "FLAGS", {}).items()]
    more = ["", f"`{program} {name} --help-all` lists the flags of TrainingArguments too."] if name == "train" else []
    own = getattr(module, "OWN_FLAGS", False) and name != "train"
    more += ["", f"Any flag of `{program} train` as well."] if own else []
    table = ["| | |", "|---|---|", *lines, *more]
    example = re.sub(r"\\\n\s+", "", module.EXAMPLE)
    example = "\n".join(line.strip() for line in example.splitlines())
    return "\n".join([f"### {program} {name}", "", module.HELP, "", f"```\n{example}\n```", "", *table])


def _flag(action: argparse.Action) -> str:
    names = [f"`{name}`" for name in action.option_strings] or [f"`{action.metavar or action.dest}`"]
    if not action.option_strings or action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return ", ".join(names)
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        value = str(action.metavar or action.dest.upper())
    value = f"[{value}]" if action.nargs == "?" else value
    return f"{', '.join(names)} `{value}`"


def _help(action: argparse.Action) -> str:
    needed = " (needed)" if action.required and action.option_strings else ""
    return f"{str(action.help).replace('%(default)s', str(action.default)).replace('%%', '%')}{needed}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text(encoding="utf-8") != document())
    PAGE.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
