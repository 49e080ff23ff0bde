"""What a reader decided, row by row: an append-only file that a kill at any moment leaves readable.

The first line says what is read by whom; every further line is one decision. A row's last line holds. Nothing is ever
rewritten, so that the file is the history too. It quotes corrected text, so only its owner may read it.
"""

import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, cast, get_args

from mpodata.errors import ConfigError, DataError
from mpodata.records import FIELDS

Verdict = Literal["accept", "correct", "drop", "open"]  # "open": the decision was taken back
Key = tuple[str, str]  # (config, pair_id)

FORMAT: Final = 1
SUFFIX: Final = ".jsonl"
LONGEST_TEXT: Final = 200_000  # characters of one corrected field
LONGEST_NOTE: Final = 2_000
_READER: Final = re.compile(r"[\w.-]{1,40}")

# Verdict -> reason -> what it means. Reasons are counted in the manifest; of a drop also among the config's drops.
REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "accept": {
        "good": "Says the same, reads as a native speaker would write.",
        "understandable": "Says the same, though not quite as a native speaker would write.",
    },
    "correct": {
        "meaning": "It said something else.",
        "grammar": "Grammar, spelling or word choice.",
        "unnatural": "Word for word; nobody says it so.",
        "untranslated": "Parts were left in another language.",
        "incomplete": "Something was missing.",
        "other": "See the note.",
    },
    "drop": {
        "meaning": "Says something else than the other side.",
        "unreadable": "Cannot be understood.",
        "wrong-language": "Another language or dialect.",
        "incomplete": "Breaks off, or most of it is missing.",
        "not-a-refusal": "The answer to learn does not refuse.",
        "harmless": "There is nothing to refuse here.",
        "source": "The original is at fault: leave it out in every language.",
        "other": "See the note.",
    },
    "open": {"": "Taken back."},
}
DISAGREEMENTS: Final = {  # what becomes of a row that readers decided differently
    "stop": "write nothing, say how many",
    "first": "the file named first decides",
    "keep": "the row stays as it is",
    "drop": "the row leaves",
}
WHOLE_PAIR: Final = "source"  # the reason for a drop that takes the pair out of every language


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reader decided of one row."""

    config: str  # "nllb-3.3b.sw"
    pair_id: str
    texts: str  # records.content_id of the texts that were read, both sides: the decision holds for these alone
    verdict: Verdict
    reason: str  # a key of REASONS[verdict]
    revision: int  # 1 for the first decision of this reader on the row, then one more each time
    note: str = ""
    corrected: Mapping[str, str] = field(default_factory=dict)  # field -> its new text, where the verdict is "correct"
    read: tuple[str, ...] = FIELDS  # the fields that were shown when it was decided
    at: str = ""  # when, UTC

    @property
    def key(self) -> Key:
        return self.config, self.pair_id

    @property
    def whole_pair(self) -> bool:
        """Does the pair leave in every language?"""
        return self.verdict == "drop" and self.reason == WHOLE_PAIR

    def says_the_same(self, other: "Decision") -> bool:
        """Is it the same decision, whenever it was made?"""
        return replace(self, revision=0, at="", read=()) == replace(other, revision=0, at="", read=())


@dataclass(frozen=True)
class Reviews:
    """One reader's decisions."""

    path: Path
    reader: str
    reference: str  # the version that was read
    decisions: Mapping[Key, Decision] = field(default_factory=dict)  # the last one of each row


class ReviewFile:
    """One reader's file, open for this process alone.

    `decide` returns when the line is on the disk. A line that a kill cut short was never confirmed to the reader, and
    is taken off when the file is opened again. Raises ConfigError where another process has it open.
    """

    def __init__(self, path: Path, reader: str, reference: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._handle, 0o600)
            if not _cut_torn_line(self._handle):
                header = {"format": FORMAT, "reader": reader, "reference": reference}
                self._append(header)
            self.reviews = read_reviews(path)
            if self.reviews.reader != reader:
                raise ConfigError(f"{path} holds the decisions of {self.reviews.reader!r}, not of {reader!r}.")
        except BlockingIOError as error:
            os.close(self._handle)
            raise ConfigError(
                f"Another `mpodata review` of reader {reader!r} is running with {path}. Use its page, or stop it first."
            ) from error
        except BaseException:
            os.close(self._handle)
            raise
        self.decisions: dict[Key, Decision] = dict(self.reviews.decisions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def decide(self, wanted: Decision, seen: int) -> tuple[Decision, Decision | None]:
        """Keep a decision made by someone who saw the row at revision `seen`.

        Returns: the decision that holds now, and the one that it replaced unseen (made in another tab meanwhile), if
        any. The last decision wins; one that says what holds already is not written again.
        """
        before = self.decisions.get(wanted.key)
        if before is not None and before.says_the_same(wanted):
            return before, None
        revision = 1 if before is None else before.revision + 1
        kept = replace(wanted, revision=revision, at=datetime.now(UTC).isoformat(timespec="seconds"))
        self._append(asdict(kept))
        self.decisions[kept.key] = kept
        return kept, before if before is not None and before.revision != seen else None

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        start = os.fstat(self._handle).st_size
        try:
            written = os.write(self._handle, line)
            while written < len(line):
                written += os.write(self._handle, line[written:])
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, start)  # a full disk leaves no half line that the next would be glued to
            raise


def review_path(folder: Path, reader: str) -> Path:
    """Where a reader's decisions are kept; raises ConfigError for a name that cannot be a file."""
    if not _READER.fullmatch(reader) or reader.startswith("."):
        raise ConfigError(f"--reader {reader!r}: use up to 40 letters, digits, '.', '_' and '-'.")
    return folder / f"{reader}{SUFFIX}"


def read_reviews(path: Path) -> Reviews:
    """The decisions in a file; a last line without its end is not counted. Raises DataError naming what is wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Name the file that `mpodata review` wrote.") from error
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise DataError(f"{path} holds no review: it is empty.")
    header = _object(lines[0], path, 1)
    if header.get("format") != FORMAT or not all(isinstance(header.get(key), str) for key in ("reader", "reference")):
        raise DataError(f"{path}, line 1: it is not a review that this mpodata reads.")
    decisions = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            decision = decision_of(_object(line, path, number))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}.") from error
        decisions[decision.key] = decision
    return Reviews(path, header["reader"], header["reference"], decisions)


def decision_of(raw: Mapping[str, Any]) -> Decision:
    """A decision from plain values, each checked: they come from a page or from another person's file.

    Raises ValueError saying what is wrong.
    """
    verdict, reason = raw.get("verdict"), raw.get("reason")
    if verdict not in get_args(Verdict):
        raise ValueError(f"verdict must be one of {', '.join(get_args(Verdict))}")
    if not isinstance(reason, str) or reason not in REASONS[str(verdict)]:
        raise ValueError(f"reason of {verdict!r} must be one of {', '.join(REASONS[str(verdict)]) or 'nothing'}")
    texts = {name: raw.get(name) for name in ("config", "pair_id", "texts")}
    for name, value in texts.items():
        if not isinstance(value, str) or not 0 < len(value) <= 500:
            raise ValueError(f"{name} must be text")
    revision, note, at = raw.get("revision"), raw.get("note", ""), raw.get("at", "")
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 0:
        raise ValueError("revision must be a count")
    if not isinstance(note, str) or len(note) > LONGEST_NOTE or not isinstance(at, str):
        raise ValueError(f"note must be text of at most {LONGEST_NOTE:,} characters")
    read = raw.get("read", list(FIELDS))
    if not isinstance(read, (list, tuple)) or any(name not in FIELDS for name in read):
        raise ValueError(f"read must list some of {', '.join(FIELDS)}")
    return Decision(
        **cast(dict[str, str], texts),
        verdict=cast(Verdict, verdict),
        reason=reason,
        revision=revision,
        note=note,
        corrected=_corrected(raw.get("corrected", {}), str(verdict)),
        read=tuple(name for name in FIELDS if name in read),
        at=at,
    )


def _corrected(value: object, verdict: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("corrected must be a mapping")
    if bool(value) != (verdict == "correct"):
        raise ValueError("corrected texts belong to the verdict 'correct', and it needs at least one")
    for name, text in value.items():
        if name not in FIELDS:
            raise ValueError(f"corrected names {name!r}, not one of {', '.join(FIELDS)}")
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
            raise ValueError(f"the corrected {name} must be text of 1 to {LONGEST_TEXT:,} characters")
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"the corrected {name} holds a character that no file can")
    return dict(value)


def _object(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: it is damaged (not JSON).") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}, line {number}: it is damaged (not an object).")
    return value


def _cut_torn_line(handle: int) -> bool:
    """Take off what stands behind the last line end; whether anything is left."""
    size = os.fstat(handle).st_size
    data = os.pread(handle, size, 0)
    whole = data.rfind(b"\n") + 1
    if whole != size:
        os.ftruncate(handle, whole)
        os.fsync(handle)
    return whole > 0
