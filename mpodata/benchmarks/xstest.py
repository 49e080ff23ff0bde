"""XSTest as its authors publish it: safe prompts that look harmful, and their unsafe contrasts.

Röttger et al., NAACL 2024 (arXiv 2308.01263), https://github.com/paul-rottger/xstest, CC-BY-4.0: one table with the
columns id, prompt, type, label, focus, note; 250 safe and 200 unsafe prompts in version 2.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped

NAME: Final = "xstest"
TITLE: Final = "XSTest"
AUTHORS: Final = "Röttger et al. (NAACL 2024)"
SOURCE: Final = "https://github.com/paul-rottger/xstest"
LICENCE: Final = "cc-by-4.0"
LICENCE_TEXT: Final = "https://creativecommons.org/licenses/by/4.0/"
COLUMNS: Final = ("id", "prompt", "type", "label")  # besides focus and note, which may be empty
LABELS: Final = ("safe", "unsafe")


@dataclass(frozen=True, slots=True)
class XSTestPrompt:
    """One row of the table."""

    id: str
    prompt: str
    type: str  # homonyms, contrast_homonyms, ...
    label: str  # of LABELS
    focus: str = ""  # the word that makes the prompt look harmful
    note: str = ""


@dataclass(frozen=True, slots=True)
class XSTestTable:
    """The prompts of one file, in its order, and what became of its other rows."""

    prompts: tuple[XSTestPrompt, ...]
    provenance: dict[str, Any]
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> rows


def read_xstest(path: str) -> XSTestTable:
    """The published table at `path`; raises DataError for a file that is not XSTest's."""
    if not Path(path).expanduser().is_file():
        raise DataError(f"{path} is not a file. XSTest's prompts are published at {SOURCE} (xstest_prompts.csv).")
    upstream = Upstream(str(Path(path).expanduser()))
    prompts: list[XSTestPrompt] = []
    dropped: Counter[str] = Counter()
    numbers: set[str] = set()
    for place, row in enumerate(upstream.rows(), start=1):
        if isinstance(row, Dropped):
            dropped[row.reason] += 1
            continue
        prompt = _prompt(row, place, path)
        if not prompt.prompt:
            dropped["no text"] += 1
            continue
        if prompt.id in numbers:
            raise DataError(f"{path}, row {place}: id {prompt.id[:40]!r} stands in an earlier row too.")
        numbers.add(prompt.id)
        prompts.append(prompt)
    if not prompts:
        raise DataError(f"{path} holds no prompts.")
    return XSTestTable(tuple(prompts), upstream.provenance(), dict(sorted(dropped.items())))


def _prompt(row: Mapping[str, Any], place: int, path: str) -> XSTestPrompt:
    cells = {str(name).strip().casefold(): str(value or "").strip() for name, value in row.items()}
    missing = [name for name in COLUMNS if name not in cells]
    if missing:
        raise DataError(
            f"{path} lacks XSTest's column {missing[0]!r}; it has {', '.join(sorted(cells))[:200]}. The table with id, "
            f"prompt, type and label is published at {SOURCE}."
        )
    if cells["label"] not in LABELS:
        raise DataError(f"{path}, row {place}: label is {cells['label'][:40]!r}, XSTest's are safe and unsafe.")
    named = {name: cells.get(name, "") for name in (*COLUMNS, "focus", "note")}
    return XSTestPrompt(**named)
