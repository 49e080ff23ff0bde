"""What every format is given, and the small writers that they share."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mpodata.records import Message, Side, assistant_turn, user_turn
from mpodata.versions.load import LoadedVersion
from mpodata.versions.schema import Row


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export: which rows, where they are written now, and where they will stand."""

    version: LoadedVersion
    folder: Path  # written to; becomes `out` once everything is there
    out: Path  # absolute: what configurations name, so that they run from any folder
    model: str | None  # a Hub id or an absolute path; None: nobody said, and configurations leave it open

    def configs(self) -> Iterator[tuple[str, str, Iterator[Side]]]:
        """(config, split, sides) of the dominant side and of the translators that the reference picks."""
        for name, split in self._picked():
            yield name, split, (row.side for row in self.version.rows(name, split))

    def translators(self) -> tuple[str, ...]:
        """Those that the reference picks."""
        picked = self.version.translator
        return (picked,) if picked else self.version.translators()

    def rows_of(self, split: str) -> Iterator[tuple[str, Row]]:
        """(config, row) of every row of one split, config after config."""
        for name, own in self._picked():
            if own == split:
                for row in self.version.rows(name, split):
                    yield name, row

    def _picked(self) -> Iterator[tuple[str, str]]:
        wanted = {None, *self.translators()}
        for name, config in self.version.manifest.configs.items():
            if config.translator in wanted:
                for split, _ in config.files():
                    yield name, split

    def path(self, name: str) -> str:
        """Where a file of the export will stand."""
        return str(self.out / name)

    def run_folder(self) -> str:
        """Where a training run of these rows goes: beside the export, which stays as it is."""
        return f"{self.out}-run"


def chat(side: Side) -> dict[str, list[Message] | Message]:
    """The prompt as messages, each answer as one message."""
    return {
        "messages": user_turn(side.prompt),
        "chosen": assistant_turn(side.chosen)[0],
        "rejected": assistant_turn(side.rejected)[0],
    }


def conversations(side: Side) -> dict[str, list[Message]]:
    """Prompt and answers as messages."""
    return {
        "prompt": user_turn(side.prompt),
        "chosen": assistant_turn(side.chosen),
        "rejected": assistant_turn(side.rejected),
    }


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """JSON lines; returns how many. No file is made of no rows."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    if count == 0:
        path.unlink()
    return count


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Settings that nobody knows (None) are left out."""
    known = {key: item for key, item in value.items() if item is not None}
    path.write_text(yaml.safe_dump(known, sort_keys=False, allow_unicode=True), encoding="utf-8")


def write_script(path: Path, comments: Sequence[str], command: Sequence[str]) -> None:
    """A shell script of one command, an option a line; what is added to its call goes to the command."""
    lines = [shlex.quote(word) for word in command]
    told = [f"# {comment}" for comment in comments]
    text = ["#!/usr/bin/env bash", *told, "set -euo pipefail", " \\\n  ".join([*lines, '"$@"'])]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    path.chmod(0o755)


def hydra_quoted(value: str) -> str:
    """A value in Hydra's grammar; paths are quoted, for what they may hold."""
    if "/" not in value:
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
