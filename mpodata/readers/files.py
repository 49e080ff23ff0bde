"""A local file as bytes and as text: its sha256, its encoding, gzip undone."""

import codecs
import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Final

from mpodata.errors import DataError

CHUNK: Final = 1 << 20  # bytes or characters read at once
GUESSED_FROM: Final = 1 << 18  # bytes a foreign encoding is told from

_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class LocalFile:
    """One file of rows."""

    path: str
    given_encoding: str | None = None  # None: byte-order mark, UTF-8, else told from the bytes
    header: bool = True  # False: a CSV or TSV without a line of names

    @property
    def suffix(self) -> str:
        """ ".json" also for a.json.gz."""
        return Path(Path(self.path).name.lower().removesuffix(".gz")).suffix

    @cached_property
    def sha256(self) -> str:
        with Path(self.path).open("rb") as raw:
            return hashlib.file_digest(raw, "sha256").hexdigest()

    @cached_property
    def encoding(self) -> str:
        if self.given_encoding is not None:
            return _known_encoding(self.given_encoding)
        with self._bytes() as raw:
            return _encoding_of(raw, self.path)

    def text(self) -> IO[str]:
        """The file as text, decoded, line ends kept."""
        if self._zipped:
            return gzip.open(self.path, "rt", encoding=self.encoding, newline="")
        return Path(self.path).open(encoding=self.encoding, newline="")

    @property
    def _zipped(self) -> bool:
        return self.path.lower().endswith(".gz")

    def _bytes(self) -> IO[bytes]:
        return gzip.open(self.path, "rb") if self._zipped else Path(self.path).open("rb")  # type: ignore[return-value]


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise DataError(
            f"Unknown text encoding {name!r}. Known ones are utf-8, utf-16, cp1252, gb18030, ..."
        ) from error


def _encoding_of(lines: IO[bytes], path: str) -> str:
    """UTF-8 if every byte agrees, else told from the beginning; the manifest records which."""
    start = lines.read(GUESSED_FROM)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(start)
        while chunk := lines.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return _foreign(start, path, error)
    return "utf-8"


def _foreign(start: bytes, path: str, error: UnicodeDecodeError) -> str:
    """The encoding of text that is not UTF-8, where it can be told; raises DataError where letters would be guessed."""
    from charset_normalizer import from_bytes
    from charset_normalizer.utils import is_multi_byte_encoding

    best = from_bytes(start).best()
    guess = best.encoding if best else "cp1252"
    windows = start.decode("cp1252", "replace")
    if is_multi_byte_encoding(guess) or windows == start.decode(guess, "replace"):
        return guess
    raise DataError(
        f"{path} is not UTF-8 (cp1252 or {guess}, perhaps). Say which: --set source.options.encoding=cp1252"
    ) from error
