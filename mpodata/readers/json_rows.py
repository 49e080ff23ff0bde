"""Rows out of JSON (an array, an object that holds one, an object of columns) and JSON lines.

A row that cannot be read (broken JSON, bytes that are not UTF-8, a number of more digits than Python reads, nesting
deeper than it follows, a name that stands twice) comes as a Dropped in its place.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from mpodata.errors import DataError
from mpodata.readers.account import Account, RawRow
from mpodata.readers.encoding import CHUNK, holds_invalid_bytes
from mpodata.readers.files import LocalFile
from mpodata.records import Dropped

UNREADABLE: Final = "unreadable-row"
INVALID_BYTES: Final = "invalid-bytes"  # bytes of the row are not valid in the file's encoding


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members; raises NameTwice where a name stands twice, for nothing tells which value is meant."""
    named = dict(members)
    if len(named) < len(members):
        raise NameTwice("a name stands twice")
    return named


class NameTwice(ValueError):
    """An object of JSON has two members of one name."""


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)
_BETWEEN: Final = re.compile(r"[\s,]*")
# What changes the nesting of JSON text. Whole strings are skipped; a lone quote opens one that the text does not close.
_CLOSING: Final = {"[": "]", "{": "}"}
_NESTING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)


def json_line_rows(file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    """One object per line. A JSON array under the name .jsonl is read as one."""
    with file.text() as text:
        if _opens_array(text.read(CHUNK)):
            text.seek(0)
            yield from _arrays(text, file.path, account)
            return
    with file.text() as text:
        for number, line in enumerate(account.lines(text), start=1):
            if line.strip():
                yield _parsed(line, f"line {number}")
            else:
                account.no_rows += 1


def _opens_array(head: str) -> bool:
    """Does the text begin an array of objects? A whole array on a line among objects is a faulty line, not the file."""
    if not re.match(r"\s*\[\s*(\{|$)", head):
        return False
    first, _, rest = head.strip().partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return True
    return rest.lstrip()[:1] in ("", "[")


def _parsed(text: str, place: str) -> RawRow | Dropped:
    """One row out of its JSON text."""
    if holds_invalid_bytes(text):
        return Dropped(INVALID_BYTES, place)
    try:
        row = _DECODER.decode(text.removeprefix("\ufeff"))  # files joined end to end hold marks
    except RecursionError:
        return Dropped(UNREADABLE, f"{place}: nested too deeply")
    except json.JSONDecodeError as error:
        return Dropped(UNREADABLE, f"{place}: {error.msg}")
    except NameTwice as error:
        return Dropped(UNREADABLE, f"{place}: {error}")
    except ValueError:  # Python reads at most 4,300 digits
        return Dropped(UNREADABLE, f"{place}: a number of too many digits")
    return row if isinstance(row, dict) else Dropped(UNREADABLE, f"{place}: not an object")


def json_rows(file: LocalFile, account: Account) -> Iterator[RawRow | Dropped]:
    """JSON arrays of objects (streamed), an object holding one, an object of equally long columns, or JSON lines."""
    with file.text() as text:
        head = text.read(CHUNK)
        if head.lstrip().startswith("["):
            text.seek(0)
            yield from _arrays(text, file.path, account)
            return
        if not _is_json_lines(head):  # JSONL under the name .json, as the Hub has many
            for row in _object_rows(_whole(head + text.read(), file.path), file.path):
                account.taken += 1
                yield _checked(row, f"row {account.taken - 1}")
            return
    yield from json_line_rows(file, account)


def _is_json_lines(head: str) -> bool:
    first, newline, rest = head.strip().partition("\n")
    return bool(newline) and rest.lstrip().startswith("{") and isinstance(_parsed(first, ""), dict)


def _arrays(text: IO[str], path: str, account: Account) -> Iterator[RawRow | Dropped]:
    """The elements of one array or of several in a row, decoded as they arrive; memory holds the longest element."""
    window = _Window(text)
    while window.next_character():
        if window.next_character() != "[":
            raise DataError(f"{path} has text after the end of its array (after row {account.taken - 1}).")
        window.position += 1
        while (character := window.next_character()) != "]":
            if not character:
                raise DataError(
                    f"{path} is not a whole JSON array: it ends after row {account.taken - 1} without a ']'."
                )
            element = window.element()
            if element is None:
                raise DataError(f"{path} is not a whole JSON array: row {account.taken} has no end.")
            account.taken += 1
            yield _parsed(element, f"row {account.taken - 1}") if isinstance(element, str) else element
        window.position += 1


class _Window:
    """A part of a JSON text that moves forward; it grows only while one element does not fit."""

    def __init__(self, text: IO[str]) -> None:
        self.text = text
        self.buffer = ""
        self.position = 0

    def next_character(self) -> str:
        """The next character that is no white space and no comma, without taking it; "" at the end."""
        while True:
            self.position = _BETWEEN.match(self.buffer, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.buffer) or not self._more():
                return self.buffer[self.position : self.position + 1]

    def element(self) -> RawRow | str | None:
        """The element that begins here: a row, or its text where that is no sound object; None where it never ends."""
        while True:
            start = self.position
            try:  # most elements are sound objects: the decoder is much faster than looking for the end
                if self.buffer.startswith("{", start):
                    row, self.position = _DECODER.raw_decode(self.buffer, start)
                    text = self.buffer[start : self.position]
                    return text if holds_invalid_bytes(text) else row
            except (ValueError, RecursionError):
                pass
            if (end := self._end()) is not None:
                self.position = end
                return self.buffer[start:end]
            if not self._more():
                return None

    def _end(self) -> int | None:
        """Where the element ends: at a comma or bracket of the array itself; None where the window is too small."""
        closing: list[str] = []  # the brackets that must still close
        for match in _NESTING.finditer(self.buffer, self.position):
            mark = match[0]
            if mark == '"':
                return None
            if mark in _CLOSING:
                closing.append(_CLOSING[mark])
            elif not closing and mark in ("]", "}", ","):
                return max(match.start(), self.position + 1)  # a stray bracket is an element of its own
            elif closing and mark == closing[-1]:
                closing.pop()
                if not closing:
                    return match.end()
        return None

    def _more(self) -> bool:
        read = self.text.read(max(CHUNK, len(self.buffer) - self.position))
        self.buffer, self.position = self.buffer[self.position :] + read, 0
        return bool(read)


def _whole(text: str, path: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (json.JSONDecodeError, NameTwice) as error:
        raise DataError(f"{path} is not JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON that can be read: a number too long or nesting too deep.") from error


def _checked(row: Any, place: str) -> RawRow | Dropped:
    if not isinstance(row, dict):
        return Dropped(UNREADABLE, f"{place}: not an object")
    texts = [value for value in row.values() if isinstance(value, str)]
    return Dropped(INVALID_BYTES, place) if any(map(holds_invalid_bytes, texts)) else row


def _object_rows(whole: Any, path: str) -> Iterator[Any]:
    """The rows of an object: a list of them under one key, equally long columns, pandas' two layouts, or one row."""
    values = list(whole.values()) if isinstance(whole, dict) else []
    lists = {key: value for key, value in whole.items() if isinstance(value, list)} if values else {}
    tables = [value for value in lists.values() if any(isinstance(row, dict) for row in value)]
    if len(tables) == 1:
        yield from tables[0]
    elif lists and len(lists) == len(values) and len({len(value) for value in values}) == 1:
        yield from (dict(zip(lists, cells, strict=True)) for cells in zip(*values, strict=True))
    elif values and not lists and all(isinstance(value, dict) for value in values):
        yield from _pandas_rows(whole)
    elif values and not lists:
        yield whole
    else:
        raise DataError(f"{path} holds no table: expected a JSON array of objects, or an object that holds one.")


def _pandas_rows(whole: Mapping[str, Mapping[str, Any]]) -> Iterator[RawRow]:
    """Rows by number ({"0": {"prompt": ...}}), columns of numbered cells ({"prompt": {"0": ...}}), or one row."""
    numbers = list(dict.fromkeys(key for cells in whole.values() for key in cells))
    if all(key.isdigit() for key in whole):
        yield from map(dict, whole.values())
    elif numbers and all(key.isdigit() for key in numbers):
        yield from ({name: cells.get(number) for name, cells in whole.items()} for number in numbers)
    else:
        yield dict(whole)
