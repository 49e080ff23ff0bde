"""What results look like in a notebook: small tables in HTML, every text escaped, harmful texts left out.

A notebook's file keeps what it shows, so a hidden text is not in the HTML at all: the way to it is the object's field.
"""

from collections.abc import Iterable, Sequence
from html import escape

from mpodata.display.terminal import printable


def shown(text: object) -> str:
    """`text` as HTML that neither a browser nor a reader's eye obeys."""
    return escape(printable(text, keep="\n"))


def hidden(text: str) -> str:
    """In the place of a text that may be harmful."""
    return f"({len(text)} characters, hidden)"


def table(caption: str, heads: Sequence[object], rows: Iterable[Sequence[object]], notes: Iterable[object] = ()) -> str:
    """A table under its caption, and a line for each note; all of them plain text."""
    look = 'style="text-align:left;vertical-align:top;white-space:pre-wrap"'
    head = "".join(f"<th {look}>{shown(name)}</th>" for name in heads)
    cells = ("".join(f'<td dir="auto" {look}>{shown(value)}</td>' for value in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in cells)
    lines = "".join(f"<p>{shown(note)}</p>" for note in notes)
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return f"<div><p><b>{shown(caption)}</b></p>{grid}{lines}</div>"
