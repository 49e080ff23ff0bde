"""What the papers printed, one YAML file per table, with the errata that were found: to show beside one's own figures.

Values stand as printed. A value that is wrong is corrected in `errata`, not in its row. `evidence` is "paper" (its
text), "img" (read off a picture of its released code).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mpodata.errors import DataError, UnknownName

FOLDER = Path(__file__).parent
AVERAGE = "average"  # of a row over its columns
ROUNDING = 0.0101  # how far a printed average may be from that of its printed row
ALIASES = {"llama-3.1-8b": "mpo-table-2"}  # what `report --paper` took before tables had names
_KEYS = {"title", "source", "model", "evidence", "parts", "settings", "errata", "notes"}
_PART_KEYS = {"title", "unit", "better", "columns", "rows", "averages"}


@dataclass(frozen=True, slots=True)
class Erratum:
    """A printed value that is wrong, or a remark on values that are not usable."""

    note: str
    part: str = ""
    row: str = ""
    column: str = ""
    printed: str = ""
    correct: str = ""

    def __str__(self) -> str:
        if not self.printed:
            return f"Erratum: {self.note}."
        place = ", ".join(name for name in (self.row, self.column) if name)
        return f"Erratum: {place} is printed {self.printed}, read {self.correct}: {self.note}."


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """One measure of a table: rows of figures per language."""

    title: str
    unit: str
    better: str  # "lower" or "higher"
    columns: tuple[str, ...]  # language codes; () where averages alone are recorded
    rows: Mapping[str, tuple[float, ...]]  # method -> a figure per column, as printed
    averages: Mapping[str, float]  # method -> the average as printed

    def average(self, row: str) -> float | None:
        """Over the columns of a row, else the printed average; None where neither was recorded."""
        values = self.rows.get(row)
        return sum(values) / len(values) if values else self.averages.get(row)

    def names(self) -> list[str]:
        """The methods, in printed order."""
        return list(dict.fromkeys([*self.rows, *self.averages]))


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table or figure of a paper."""

    name: str  # "mpo-table-2"
    title: str
    source: str
    model: str
    parts: Mapping[str, PublishedPart]  # what was measured (a benchmark's name) -> figures
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # for tables of hyper-parameters
    errata: tuple[Erratum, ...] = ()
    notes: tuple[str, ...] = ()
    evidence: str = "paper"

    def footnotes(self) -> list[str]:
        """Errata, and what a reader must know to compare."""
        read_off = ["Read off a picture: the last digit is uncertain."] if self.evidence == "img" else []
        return [*map(str, self.errata), *self.notes, *read_off]


def published_names() -> list[str]:
    """The tables that are recorded."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def published(name: str) -> PublishedTable:
    """The table called `name`; raises UnknownName, and DataError where its file is not sound."""
    name = ALIASES.get(name, name)
    if name not in published_names():
        raise UnknownName("published table", name, published_names())
    return parse_table(name, yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def parse_table(name: str, content: Mapping[str, Any]) -> PublishedTable:
    """A table from the content of its file; raises DataError where the content contradicts itself."""
    _known_keys(name, content, _KEYS)
    table = PublishedTable(
        name=name,
        title=str(content["title"]),
        source=str(content["source"]),
        model=str(content["model"]),
        parts={key: _part(f"{name}: {key}", part) for key, part in (content.get("parts") or {}).items()},
        settings=content.get("settings") or {},
        errata=tuple(
            Erratum(**{key: str(value) for key, value in erratum.items()}) for erratum in content.get("errata") or ()
        ),
        notes=tuple(content.get("notes") or ()),
        evidence=str(content.get("evidence", "paper")),
    )
    _check_averages(table)
    _check_errata(table)
    return table


def _part(place: str, content: Mapping[str, Any]) -> PublishedPart:
    _known_keys(place, content, _PART_KEYS)
    columns = tuple(content["columns"])
    rows = {str(row): tuple(map(float, values)) for row, values in content["rows"].items()}
    for row, values in rows.items():
        if len(values) != len(columns) or not all(map(math.isfinite, values)):
            raise DataError(f"{place}: row {row!r} must have {len(columns)} numbers, has {len(values)}.")
    if content["better"] not in ("lower", "higher"):
        raise DataError(f"{place}: better must be lower or higher, got {content['better']!r}.")
    averages = {str(row): float(value) for row, value in (content.get("averages") or {}).items()}
    return PublishedPart(content["title"], content["unit"], content["better"], columns, rows, averages)


def _known_keys(place: str, content: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(content) - known):
        raise DataError(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}.")


def _check_averages(table: PublishedTable) -> None:
    """A printed average that its own row contradicts must be among the errata."""
    for key, part in table.parts.items():
        for row in part.rows.keys() & part.averages.keys():
            told = any((e.part, e.row, e.column) == (key, row, AVERAGE) for e in table.errata)
            mean = sum(part.rows[row]) / len(part.columns)
            if abs(mean - part.averages[row]) > ROUNDING and not told:
                raise DataError(
                    f"{table.name}: {key}, {row}: the printed average {part.averages[row]} is not that of the row "
                    f"({mean:.2f}), and no erratum says so."
                )


def _check_errata(table: PublishedTable) -> None:
    """An erratum must name a value that the table holds as printed."""
    for erratum in table.errata:
        if not erratum.part:
            continue
        part = table.parts.get(erratum.part)
        if part is None or erratum.row not in part.names():
            raise DataError(f"{table.name}: erratum on {erratum.part}, {erratum.row}: there is no such row.")
        if erratum.column == AVERAGE:
            held = part.averages.get(erratum.row)
        else:
            held = dict(zip(part.columns, part.rows.get(erratum.row, ()), strict=False)).get(erratum.column)
        if held is None or abs(held - float(erratum.printed)) > 1e-9:
            raise DataError(f"{table.name}: erratum on {erratum.row}, {erratum.column}: printed there is {held}.")
