"""Every source that the README names loads from a file in its published layout, in every kind of file."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.records import Pair, SourceRow
from mpodata.registry import construct
from mpodata.sources import SOURCES, ParallelSource
from mpodata.sources.detection import detect
from tests.mpodata.sources.test_meaning import ASK, NO, PUBLISHED, YES

ROOT = Path(__file__).parents[3]
SWAHILI = ("Ninawezaje kununa kwa siku nzima?", "Samahani, siwezi kukusaidia na ombi hilo.", "Fanya hivi polepole.")


def say(who: str, text: str) -> dict[str, str]:
    return {"from": who, "value": text}


PAIRS: dict[str, dict[str, Any]] = {
    "released-mpo": {
        "source_conversations": [say("human", ASK)], "source_chosen": say("gpt", NO),
        "source_rejected": say("gpt", YES),
        "target_conversations": [say("human", SWAHILI[0])], "target_chosen": say("gpt", SWAHILI[1]),
        "target_rejected": say("gpt", SWAHILI[2]),
    },
    "nemo-curator": {
        "prompt": ASK, "chosen": NO, "rejected": YES, "translation_time": 0.2, "translation_errors": "",
        "translation_metadata": json.dumps({
            "target_lang": "sw", "translation": dict(zip(("prompt", "chosen", "rejected"), SWAHILI, strict=True)),
            "segmented_translation": {},
        }),
    },
}  # fmt: skip
ROWS = {**PUBLISHED, **PAIRS}


def test_no_source_is_left_out() -> None:
    assert {*ROWS, "pocket"} == set(SOURCES)  # pocket has a file of its own, below
    named = re.search(r"^\| sources \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert named is not None
    assert set(named[1].split(", ")) == set(SOURCES)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "jsonl.gz", "ndjson", "parquet"])
@pytest.mark.parametrize("name", ROWS)
def test_a_source_loads_its_published_layout(tmp_path: Path, name: str, suffix: str) -> None:
    path, rows = tmp_path / f"train.{suffix}", [ROWS[name]]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_bytes(gzip.compress(lines) if suffix.endswith("gz") else lines)
    check(path, name)


def check(path: Path, name: str) -> None:
    assert detect(str(path)) == name
    source = construct("source", SOURCES, name, {"path": str(path)})
    if isinstance(source, ParallelSource):
        (pair,) = source.pairs()
        assert isinstance(pair, Pair)
        assert (pair.dominant.prompt, pair.dominant.rejected, pair.target.language) == (ASK, YES, "sw")
        assert (pair.target.prompt, pair.target.chosen, pair.target.rejected) == SWAHILI
    else:
        (row,) = source.rows()
        assert isinstance(row, SourceRow)
        assert (row.prompt, row.unsafe, row.kind) == (ASK, YES, "harmful")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx"])
@pytest.mark.parametrize("name", ["pku-saferlhf", "beavertails", "hh-rlhf", "refuseu", "trl", "table"])
def test_a_source_loads_its_layout_as_a_table_that_holds_nested_cells_as_text(
    tmp_path: Path, name: str, suffix: str
) -> None:
    row = {key: value if isinstance(value, str) else repr(value) for key, value in ROWS[name].items()}
    path = tmp_path / f"train.{suffix}"
    if suffix == "xlsx":
        book = openpyxl.Workbook()
        book.active.append(list(row))
        book.active.append(list(row.values()))
        book.save(path)
    else:
        cells = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line] for line in (row, row.values())]
        path.write_text("".join(("," if suffix == "csv" else "\t").join(line) + "\n" for line in cells), "utf-8")
    source = construct("source", SOURCES, name, {"path": str(path)})
    (read,) = source.rows()
    assert isinstance(read, SourceRow)
    assert (read.prompt, read.unsafe, read.kind) == (ASK, YES, "harmful")


def test_the_pocket_source_holds_both_kinds() -> None:
    rows = [row for row in construct("source", SOURCES, "pocket", {}).rows() if isinstance(row, SourceRow)]
    assert {row.kind for row in rows} == {"harmful", "harmless"}
    assert len(rows) > 500
