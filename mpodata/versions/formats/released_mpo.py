"""The schema of the released MPO files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mpodata.errors import VersionError
from mpodata.records import Pair
from mpodata.versions.formats.job import ExportJob


def released_mpo(job: ExportJob) -> int:
    """One JSON array per translator and split, as in the authors' files: a dominant exchange and its translation."""
    rows = 0
    for translator in job.translators():
        for split in job.version.splits():
            pairs = map(_released, job.version.pairs(split, translator))
            rows += _array(job.folder / f"{translator}.{split}.json", pairs)
    if rows == 0:
        raise VersionError(f"{job.version.reference} has no pair to export: it holds the dominant side only.")
    return rows


def _released(pair: Pair) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, side in (("source", pair.dominant), ("target", pair.target)):
        row[f"{name}_conversations"] = [{"from": "human", "value": side.prompt}]
        row[f"{name}_chosen"] = {"from": "gpt", "value": side.chosen}
        row[f"{name}_rejected"] = {"from": "gpt", "value": side.rejected}
    return row


def _array(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """A JSON array, written row by row; no file where there is no row."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(("[\n" if count == 0 else ",\n") + json.dumps(row, ensure_ascii=False, indent=2))
            count += 1
        file.write("\n]\n")
    if count == 0:
        path.unlink()
    return count
