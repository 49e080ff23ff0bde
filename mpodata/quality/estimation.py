"""Quality of translations estimated without a reference (COMETKiwi, MetricX, ...), by a program of its own.

The estimators need packages that do not live beside ours, so they run in an environment of their own and are asked
in JSON: at an address, or as a command whose standard input and output are lines (scripts/quality_estimation.py is
both).

    GET  ADDRESS        or the line {"about": true}  ->  {"model": "Unbabel/wmt22-cometkiwi-da", ...}
    POST ADDRESS        or a line of it              {"rows": [{"src", "mt", "source", "target"}, ...]}
                                                 ->  {"scores": [0.83, ...]}, one for each row
"""

import json
import math
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from mpodata.errors import ConfigError, RemoteError
from mpodata.hub import redact
from mpodata.records import FIELDS, Side
from mpodata.runtime.http import HttpClient
from mpodata.runtime.journal import Journal
from mpodata.runtime.remote import Unanswered

TASK: Final = "estimate"  # its results' name in the journal
BLOCK: Final = 256  # texts between two journal entries
DEADLINE: Final = 600.0  # seconds for one block: a large estimator on a CPU is slow

Text = tuple[str, str, str, str]  # text, translation, their languages
Estimates = tuple[float | None, float | None, float | None]  # of prompt, chosen, rejected


ADDRESSES: Final = ("http://", "https://")


def check_place(place: str) -> None:
    """Raise ConfigError for what is neither an address nor a command that is there; starts and sends nothing."""
    if place.startswith(ADDRESSES):
        return
    try:
        words = shlex.split(place)
    except ValueError:
        words = []
    if not words or shutil.which(words[0]) is None:
        raise ConfigError(f"quality_estimation {place!r} is neither an address nor a command that is there.")


class Estimator(Protocol):
    """Answers one request of the protocol above; raises RemoteError where nothing usable comes back."""

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]: ...


class QualityEstimation:
    """Scores translated sides; every score is in the journal under the model that gave it."""

    def __init__(self, place: str, journal: Journal) -> None:
        """place: an address (http://127.0.0.1:8900) or a command line."""
        self._estimator: Estimator = _Server(place) if place.startswith(ADDRESSES) else _Command(place)
        self._journal = journal
        about = self._estimator.ask({"about": True})
        if not isinstance(about.get("model"), str):
            raise RemoteError(f"The quality estimation {redact(place)} does not say which model it is.")
        self.about: dict[str, Any] = {
            key: value for key, value in about.items() if isinstance(value, str | int | float)
        }

    def estimates(self, pairs: Sequence[tuple[Side, Side]], fields: Sequence[str] = FIELDS) -> list[Estimates]:
        """For each (dominant, target) the scores of its fields, on the model's own scale; None for other fields."""
        texts: list[Text] = [
            (getattr(dominant, name), getattr(target, name), dominant.language, target.language)
            for dominant, target in pairs
            for name in fields
        ]
        scores = iter(self._journal.through(TASK, self.about, texts, self._scores, block=BLOCK))
        rows = [{name: next(scores) for name in fields} for _ in pairs]
        return [(row.get("prompt"), row.get("chosen"), row.get("rejected")) for row in rows]

    def _scores(self, texts: Sequence[Text]) -> list[float]:
        rows = [dict(zip(("src", "mt", "source", "target"), text, strict=True)) for text in texts]
        scores = self._estimator.ask({"rows": rows}).get("scores")
        if not isinstance(scores, list) or len(scores) != len(rows) or not all(map(_is_score, scores)):
            raise RemoteError(
                f"The quality estimation {self.about['model']} did not answer {len(rows)} rows with numbers."
            )
        return [round(float(score), 6) for score in scores]


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class _Server:
    def __init__(self, address: str) -> None:
        self.address = address
        self._client = HttpClient(address, DEADLINE)

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            if "about" in request:
                reply = self._client.request("GET", self.address)
            else:
                reply = self._client.request("POST", self.address, json=request)
        except Unanswered as error:
            raise RemoteError(
                f"The quality estimation at {redact(self.address)} does not answer ({error}). Start it, and run the "
                "same command again: what was scored is kept."
            ) from error
        if reply.status_code != 200:
            raise RemoteError(f"The quality estimation at {redact(self.address)} answered HTTP {reply.status_code}.")
        return _mapping(reply.text, redact(self.address))


class _Command:
    """A program that stays open; each line in is answered by a line."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._program: subprocess.Popen[str] | None = None

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        program = self._started()
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            program.stdin.write(json.dumps(request) + "\n")
            program.stdin.flush()
            line = program.stdout.readline()
        except OSError as error:
            raise RemoteError(f"The quality estimation {self.command!r} ended ({error.strerror}).") from error
        if not line:
            raise RemoteError(
                f"The quality estimation {self.command!r} ended without an answer; see its messages above."
            )
        return _mapping(line, self.command)

    def _started(self) -> "subprocess.Popen[str]":
        if self._program is None:
            try:
                words = shlex.split(self.command)
                self._program = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
                )
            except (OSError, ValueError, IndexError) as error:
                raise ConfigError(
                    f"quality_estimation {self.command!r} is neither an address nor a command that starts: {error}."
                ) from error
        return self._program

    def __del__(self) -> None:
        if self._program is not None:
            self._program.stdin.close()  # type: ignore[union-attr]
            self._program.stdout.close()  # type: ignore[union-attr]
            self._program.wait(10)


def _mapping(text: str, place: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"The quality estimation {place} answered no JSON.") from error
    if not isinstance(answer, dict):
        raise RemoteError(f"The quality estimation {place} answered no JSON object.")
    return answer
