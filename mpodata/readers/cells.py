"""What one cell of an upstream table may be, and what is mended on the way.

Mended, because nothing a reader would miss changes: surrogate pairs written as two escapes are joined, lone surrogates,
NUL and other control characters and byte-order marks are removed, CRLF and CR become LF, outer white space goes.
Kept: right-to-left marks, joiners, chat-template tokens (the trainer tokenises text as text), HTML, inner white space.
Everything else that is wrong drops the row with a reason that names the field: `null-prompt`, `not-text-rejected`,
`empty-prompt`, `long-chosen`.
"""

import re
from typing import Any, Final

from mpodata.readers.conversation import is_messages_as_text
from mpodata.records import Dropped

MAX_CHARACTERS: Final = 32_768  # a longer field is a broken export, and no policy model reads it within 2,048 tokens

MENDED: Final = "surrogates, control characters and byte-order marks removed; line ends LF; outer white space stripped"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` with what no reader would miss mended; encodable as UTF-8."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "")
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def field(value: Any, name: str, *, limit: int = MAX_CHARACTERS) -> str | Dropped:
    """A cell as clean text, or why the row cannot be used; `name` is the field in the paper's words."""
    if value is None or (isinstance(value, float) and value != value):  # pandas writes a missing text as NaN
        return Dropped(f"null-{name}")
    if not isinstance(value, str):
        return Dropped(f"not-text-{name}", f"a {type(value).__name__}")
    if is_messages_as_text(value):
        return Dropped(f"not-text-{name}", "messages written as text")
    if len(value) > limit:
        return Dropped(f"long-{name}", f"{len(value):,} characters; the limit is {limit:,}")
    text = clean_text(value)
    return text or Dropped(f"empty-{name}")
