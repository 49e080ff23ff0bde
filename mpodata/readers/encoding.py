"""Which encoding is a text file in? Byte-order marks, UTF-8, UTF-16 without a mark, and what else can be told.

A file that is mostly UTF-8 is UTF-8: its invalid bytes are kept as lone surrogates (`surrogateescape`), and the row
that holds one is dropped by its reader. Only a file whose other letters are not UTF-8 either is taken for a foreign
encoding, and only where that can be told without guessing letters (`east_asian.py`).
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import IO, Final

from mpodata.errors import DataError
from mpodata.readers.east_asian import east_asian_encoding, utf16_without_mark

CHUNK: Final = 1 << 20  # bytes read at once
GUESSED_FROM: Final = 1 << 18  # bytes a foreign encoding is told from
FAULTY_LINES: Final = 0.1  # share of lines with invalid bytes up to which a file of ASCII lines is UTF-8

UTF8: Final = frozenset({"utf-8", "utf-8-sig"})

_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_ISO_2022_JP: Final = b"\x1b$B"  # what it writes before its first kanji; no other text holds it
_INVALID: Final = re.compile("[\udc80-\udcff]")


def known_encoding(name: str) -> str:
    """The codec's own name; raises DataError for a name that Python does not know."""
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise DataError(
            f"Unknown text encoding {name!r}. Known ones are utf-8, utf-16, cp1252, gb18030, ..."
        ) from error


def holds_invalid_bytes(text: str) -> bool:
    """Was a byte of `text` not valid in its file's encoding?"""
    return not text.isascii() and _INVALID.search(text) is not None


def encoding_of(content: IO[bytes], path: str) -> str:
    """The encoding that `content` is read with; raises DataError where letters would have to be guessed."""
    start = content.read(CHUNK)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    if unmarked := utf16_without_mark(start):
        return unmarked
    if _ISO_2022_JP in start:
        return "iso2022_jp"
    counts = _Utf8Counts()
    counts.add(start)
    while chunk := content.read(CHUNK):
        counts.add(chunk)
    counts.add(b"", final=True)
    if counts.valid >= counts.invalid:  # in legacy encodings at most 0.3 valid letters stand beside an invalid byte
        return "utf-8"
    if _only_typographic(counts.sample):
        return "cp1252"
    if counts.faulty_lines <= max(1, FAULTY_LINES * counts.lines):
        return "utf-8"
    if foreign := _agreed_encoding(counts.sample):
        return foreign
    raise DataError(
        f"{path} is not UTF-8 and its encoding cannot be told. Say which: --set source.options.encoding=cp1252"
    )


@dataclass
class _Utf8Counts:
    """What decoding a file as UTF-8 shows."""

    valid: int = 0  # characters beyond ASCII
    invalid: int = 0  # bytes
    lines: int = 1
    faulty_lines: int = 0  # lines with an invalid byte
    sample: bytes = b""  # bytes around the first invalid one
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("surrogateescape")
    )

    def add(self, chunk: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(chunk, final)
        self.lines += text.count("\n")
        if text.isascii():
            return
        invalid = len(_INVALID.findall(text))
        self.valid += len(text) - len(text.encode("ascii", "ignore")) - invalid
        self.invalid += invalid
        if invalid:
            self.faulty_lines += sum(map(holds_invalid_bytes, text.split("\n")))
            if not self.sample:
                around = text.encode("utf-8", "surrogateescape")
                first = len(text[: _INVALID.search(text).start()].encode("utf-8", "surrogateescape"))  # type: ignore[union-attr]
                self.sample = around[max(0, first - GUESSED_FROM // 2) :][:GUESSED_FROM]


def _only_typographic(sample: bytes) -> bool:
    """Are all bytes beyond ASCII the quotation marks, dashes and dots of Windows?"""
    beyond = set(re.findall(rb"[\x80-\xff]", sample))
    return bool(beyond) and beyond <= {bytes([code]) for code in (0x85, *range(0x91, 0x98))}


def _agreed_encoding(sample: bytes) -> str | None:
    """The encoding of text that is not UTF-8: a multi-byte one, or one that reads the same letters as cp1252 does."""
    if encoding := east_asian_encoding(sample):
        return encoding
    from charset_normalizer import from_bytes
    from charset_normalizer.utils import is_multi_byte_encoding

    best = from_bytes(sample).best()
    guess = best.encoding if best else "cp1252"
    if is_multi_byte_encoding(guess):
        return None  # its letters are not those of running text in the encoding's language
    return "cp1252" if sample.decode("cp1252", "replace") == sample.decode(guess, "replace") else None
