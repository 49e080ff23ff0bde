"""The fenced blocks of README.md, taken apart into what a reader would type."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE_DOCUMENT = re.compile(r"<<'(\w+)'$")


@dataclass(frozen=True, slots=True)
class Statement:
    """What is run at once: one command with its here-document, or a whole Python block."""

    block: int  # counted from 1 over all fenced blocks
    language: str  # bash or python
    text: str


def statements() -> list[Statement]:
    """Every statement of every bash and python block, in the order of the page."""
    listed = []
    for number, (language, text) in enumerate(_FENCE.findall(README), start=1):
        if language == "python":
            listed.append(Statement(number, language, text))
        elif language == "bash":
            listed += [Statement(number, language, command) for command in _commands(text)]
    return listed


def _commands(text: str) -> list[str]:
    commands, lines = [], iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        command = line
        while command.endswith("\\"):
            command = f"{command[:-1].rstrip()} {next(lines).lstrip()}"
        if document := _HERE_DOCUMENT.search(command):
            for more in lines:
                command += "\n" + more
                if more == document[1]:
                    break
        commands.append(command)
    return commands
