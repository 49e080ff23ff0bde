"""A local file as bytes and as text: its sha256, its encoding, gzip undone."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from mpodata.readers.encoding import UTF8, encoding_of, known_encoding


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

    @property
    def stem(self) -> str:
        """The name without what says its format: "a" for a.json.gz."""
        return Path(Path(self.path).name.removesuffix(".gz")).stem

    @property
    def zipped(self) -> bool:
        return self.path.lower().endswith(".gz")

    @cached_property
    def sha256(self) -> str:
        with Path(self.path).open("rb") as raw:
            return hashlib.file_digest(raw, "sha256").hexdigest()

    @cached_property
    def encoding(self) -> str:
        if self.given_encoding is not None:
            return known_encoding(self.given_encoding)
        with self._bytes() as raw:
            return encoding_of(raw, self.path)

    def text(self) -> IO[str]:
        """The file as text, line ends kept; invalid bytes of UTF-8 come as lone surrogates (`holds_invalid_bytes`).

        Raises UnicodeDecodeError while reading where another encoding does not fit.
        """
        errors = "surrogateescape" if self.encoding in UTF8 else "strict"
        if self.zipped:
            return gzip.open(self.path, "rt", encoding=self.encoding, errors=errors, newline="")
        return Path(self.path).open(encoding=self.encoding, errors=errors, newline="")

    def _bytes(self) -> IO[bytes]:
        return gzip.open(self.path, "rb") if self.zipped else Path(self.path).open("rb")  # type: ignore[return-value]
