"""Recorded answers in place of a model: what another tool generated, or what a run must repeat exactly."""

import sqlite3
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from mpodata.engines import BLOCKED, Answer, Finish, Sampling
from mpodata.engines.reasoning import answer_of
from mpodata.errors import DataError
from mpodata.languages.text import storable
from mpodata.readers.conversation import answer_text, prompt_text, turns
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import Dropped, Message, content_id

PROMPTS = ("prompt", "instruction", "question", "messages", "input")
ANSWERS = ("answers", "answer", "response", "completion", "output", "text")
ENDS = {  # OpenAI, Anthropic, Google, Bedrock, Cohere and TGI name them so
    **dict.fromkeys(("eos", "end_turn", "stop_sequence", "eos_token", "complete", "completed"), "stop"),
    **dict.fromkeys(("max_tokens", "max_length", "max_output_tokens"), "length"),
    **dict.fromkeys(BLOCKED, "blocked"),
}
FINISH_COLUMNS = ("finish", "finish_reason", "finishReason", "stop_reason")
FINISHES = get_args(Finish)
MISSING = Answer("", "error")


class ReplayEngine:
    """Answers read from a file (JSON, JSONL, CSV, TSV, Parquet) or a Hub dataset, found by the prompt's text.

    A row has a prompt and an answer, or a list of answers; rows with the same prompt are its candidates in file order.
    `finish` (or `finish_reason`, `stop_reason`) says how an answer ended; without it an answer counts as complete. A
    row whose prompt is a conversation that ends in an assistant turn, as a guard is shown, answers that exchange. A
    prompt without enough recorded answers gets `error` answers, which are dropped by name and never journaled.
    Sampling settings other than `candidates` are not looked at. The index lies on disk, so a million answers take
    little memory.
    """

    block = 1024

    def __init__(self, *, path: str, prompt: str | None = None, answer: str | None = None, model: str = "") -> None:
        """path: a file or Hub id. prompt, answer: their columns, by default the first known name. model: whose answers
        these are, for the manifest.
        """
        self._upstream = Upstream(path)
        self._columns = (prompt, answer)
        self._model = model
        self._index: sqlite3.Connection | None = None

    def answers(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[list[Answer]]:
        """The first `sampling.candidates` recorded answers per conversation; raises DataError on unusable columns."""
        if self._index is None:
            self._index = self._indexed()
        return [self._recorded(conversation, sampling.candidates) for conversation in conversations]

    def check_installed(self) -> None:
        return

    def provenance(self) -> dict[str, Any]:
        """Engine, whose answers, and the file's own provenance with its hash."""
        return {"engine": "replay", "model": self._model, "recorded": self._upstream.provenance()}

    def _recorded(self, conversation: Sequence[Message], candidates: int) -> list[Answer]:
        assert self._index is not None
        query = "SELECT answer, finish FROM answers WHERE prompt = ? ORDER BY answered, place LIMIT ?"
        recorded: list[tuple[str, Finish]] = []
        for key in _keys([(message["role"], message["content"]) for message in conversation]):
            recorded = recorded or self._index.execute(query, (key, candidates)).fetchall()
        answers = [answer_of(text, finish) for text, finish in recorded]
        return answers + [MISSING] * (candidates - len(answers))

    def _indexed(self) -> sqlite3.Connection:
        folder = tempfile.TemporaryDirectory(prefix="mpodata-replay-")
        index = sqlite3.connect(Path(folder.name) / "answers.sqlite", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, _closed, index, folder)
        index.execute("PRAGMA journal_mode=OFF")
        index.execute("PRAGMA synchronous=OFF")
        # answered: 1 where the recorded conversation went on with an assistant turn, which is not in the key
        index.execute(
            "CREATE TABLE answers (prompt TEXT, answered INTEGER, place INTEGER PRIMARY KEY, answer TEXT, finish TEXT)"
        )
        index.execute("BEGIN")
        index.executemany("INSERT INTO answers (prompt, answered, answer, finish) VALUES (?, ?, ?, ?)", self._entries())
        index.execute("COMMIT")
        index.execute("CREATE INDEX by_prompt ON answers (prompt, answered, place)")
        return index

    def _entries(self) -> Iterator[tuple[str, int, str, str]]:
        columns: tuple[str, str] | None = None
        for row in self._upstream.rows():
            if isinstance(row, Dropped):
                continue  # its prompt is then missing, and counted where it is asked for
            if columns is None:
                columns = self._chosen_columns(self._upstream.columns)
            prompt = row.get(columns[0])
            asked = turns(prompt) or [("user", prompt)]
            if not isinstance(prompt_text(prompt), str):
                continue
            value = row.get(columns[1])
            finish = _finish(row)
            for text in map(answer_text, _listed(value)):
                if isinstance(text, str):
                    for answered, key in enumerate(_keys(asked)):
                        yield key, answered, storable(text), finish

    def _chosen_columns(self, existing: Sequence[str]) -> tuple[str, str]:
        chosen = []
        for wanted, known, what in zip(self._columns, (PROMPTS, ANSWERS), ("prompt", "answer"), strict=True):
            name = wanted or next((name for name in known if name in existing), None)
            if name is None or name not in existing:
                looked = repr(wanted) if wanted else f"one of {', '.join(known)}"
                raise DataError(
                    f"{self._upstream.path} has no column for the {what} ({looked}). "
                    f"It has: {', '.join(existing)}. Name it with engine.{what}."
                )
            chosen.append(name)
        return chosen[0], chosen[1]


def _keys(conversation: Sequence[tuple[str, Any]]) -> list[str]:
    """What a conversation is found by: its last user turn; before that, where an answer follows it, both."""
    said = next((content for role, content in reversed(conversation) if role == "user"), "")
    role, content = conversation[-1]
    answered = role == "assistant" and isinstance(content, str)
    return [*([content_id(said.strip(), content.strip())] if answered else []), content_id(said.strip())]


def _listed(value: Any) -> list[Any]:
    """The answers of a cell: a list of texts is several, a list of turns is one."""
    several = isinstance(value, list) and all(isinstance(answer, str) for answer in value)
    return list(value) if several else [value]


def _finish(row: RawRow) -> str:
    value = str(next((row[name] for name in FINISH_COLUMNS if row.get(name)), "stop")).strip().casefold()
    value = ENDS.get(value, value)
    return value if value in FINISHES else "error"


def _closed(index: sqlite3.Connection, folder: "tempfile.TemporaryDirectory[str]") -> None:
    index.close()
    folder.cleanup()
