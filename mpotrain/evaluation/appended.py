"""Prompts with a safe and an unsafe answer appended, from any table or dataset version: Figure 5 draws their states."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.languages.labels import language_code
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped, Side, content_id
from mpodata.versions.load import load
from mpotrain.data import TrainingRow, encode, turn_end

# A field and the names its column goes by, in lower case; the first that a table has is taken.
COLUMNS = {
    "prompt": ("prompt", "goal", "question", "instruction", "behavior"),
    "safe": ("safe", "chosen", "safe_response", "refusal"),
    "unsafe": ("unsafe", "rejected", "unsafe_response", "target"),
    "language": ("language", "lang", "language_code"),
}


def answered_prompts(
    place: str, *, language: str = "en", split: str | None = None, languages: Sequence[str] = ()
) -> list[Side]:
    """One Side per prompt and language: `chosen` is the safe answer, `rejected` the unsafe one.

    Args:
        place: a table (columns prompt, safe, unsafe and language, or their usual other names), or a dataset version.
        language: of rows whose table has no language column. split: of a version (default: its measured split).
    Raises: DataError where a column is missing, a row is incomplete or nothing is left.
    """
    sides = _table(place, language) if Path(place).is_file() else _version(place, split)
    kept = [side for side in sides if not languages or side.language in languages]
    if not kept:
        raise DataError(f"{place} has no prompt with both answers in {', '.join(languages) or 'it'}.")
    return kept


def appended_rows(sides: Sequence[Side], tokenizer: Any, max_length: int = 2048) -> list[TrainingRow]:
    """Each prompt as a turn, each answer as its reply with the end of turn; raises DataError for one that is longer."""
    end = turn_end(tokenizer)
    rows = []
    for side in sides:
        chosen, rejected = encode(tokenizer, side.prompt, (side.chosen, side.rejected), end)
        longest = max(len(chosen.input_ids), len(rejected.input_ids))
        if longest > max_length:
            raise DataError(f"A prompt with its answer has {longest} tokens, more than {max_length}: shorten it.")
        rows.append(TrainingRow(content_id(side.prompt), side.language, chosen, rejected))
    return rows


def _version(reference: str, split: str | None) -> list[Side]:
    version = load(reference)
    sides: dict[tuple[str, str], Side] = {}
    for pair in version.pairs(split=split or version.measured_split()):
        if pair.kind == "harmful":
            for side in (pair.dominant, pair.target):
                sides.setdefault((side.language, pair.pair_id), side)
    return list(sides.values())


def _table(place: str, language: str) -> list[Side]:
    rows = [row for row in Upstream(place).rows() if not isinstance(row, Dropped)]
    if not rows:
        raise DataError(f"{place}: no readable rows in it.")
    names = {str(name).strip().casefold(): str(name) for name in rows[0]}
    columns = {field: next((names[name] for name in known if name in names), None) for field, known in COLUMNS.items()}
    for field in ("prompt", "safe", "unsafe"):
        if columns[field] is None:
            raise DataError(
                f"{place} has no column of {field} {'texts' if field == 'prompt' else 'answers'} "
                f"({', '.join(COLUMNS[field])}). Columns: {', '.join(map(str, rows[0]))}."
            )
    return [_side(place, number, row, columns, language) for number, row in enumerate(rows, start=1)]


def _side(place: str, number: int, row: Any, columns: dict[str, str | None], language: str) -> Side:
    texts = [str(row.get(columns[field]) or "").strip() for field in ("prompt", "safe", "unsafe")]
    if not all(texts):
        raise DataError(f"{place}, row {number}: prompt, safe and unsafe answer must all be filled.")
    label = row.get(columns["language"]) if columns["language"] else language
    code = language_code(label)
    if code is None:
        raise DataError(f"{place}, row {number}: unknown language {label!r}.")
    return Side(code, *texts)
