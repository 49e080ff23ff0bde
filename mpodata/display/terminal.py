"""Text of strangers on a terminal: shown, never obeyed."""

import re
from typing import Final

# Characters that a terminal or a reader's eye obeys: C0 and C1 controls, DEL, line and paragraph separators, marks that
# reverse or hide the text around them (Unicode bidi controls, "Trojan Source"), tags, and lone surrogates.
_OBEYED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


LINE_BREAK: Final = "\n"  # what printable keeps of text that has lines


def printable(text: object, keep: str = "") -> str:
    r"""`text` with every character that a terminal obeys written as `\u001b`; those in `keep` stay.

    What comes out of JSON text is the same JSON. Joiners that scripts need (U+200C, U+200D) stay.
    """
    return _OBEYED.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), str(text))


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
