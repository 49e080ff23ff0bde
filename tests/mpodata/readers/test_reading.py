"""Files of every kind become rows; what cannot be read is counted or named."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.errors import DataError
from mpodata.languages.text import normalised
from mpodata.readers.cells import MAX_CHARACTERS, clean_text, field
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped, SourceRow
from mpodata.sources.table import table

ROWS = [{"prompt": f"How do I open jar number {i}?", "rejected": f"Answer {i}"} for i in range(5)]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.name.endswith(".jsonl.gz"):
        with gzip.open(path, "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [mark.join(rows[0]), *(mark.join(f'"{value}"' for value in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.jsonl.gz", "a.csv", "a.tsv", "a.parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, ROWS)
    assert list(Upstream(str(path)).rows()) == ROWS


def test_a_long_json_array_is_streamed_across_chunks(tmp_path: Path) -> None:
    rows = [{"prompt": "x" * 40_000, "n": i} for i in range(80)]  # more than one chunk, rows across the border
    path = tmp_path / "big.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert list(Upstream(str(path)).rows()) == rows


@pytest.mark.parametrize(
    "text",
    ['{"data": [{"prompt": "a"}, {"prompt": "b"}]}', '{"prompt": ["a", "b"]}', '{"prompt": "a"}\n{"prompt": "b"}\n'],
    ids=["an object that holds the rows", "columns", "JSONL under the name .json"],
)
def test_other_shapes_of_json_are_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert list(Upstream(str(path)).rows()) == [{"prompt": "a"}, {"prompt": "b"}]


@pytest.mark.parametrize(
    ("encoding", "recorded"), [("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-8", "utf-8")]
)
def test_odd_encodings_are_read_and_recorded(tmp_path: Path, encoding: str, recorded: str) -> None:
    path = tmp_path / "a.csv"
    text = "prompt,id\n" + "".join(f"Où est le café préféré de l'élève français numéro {i} ?,{i}\n" for i in range(30))
    path.write_bytes(text.encode(encoding))
    upstream = Upstream(str(path))
    assert next(upstream.rows()) == {"prompt": "Où est le café préféré de l'élève français numéro 0 ?", "id": "0"}
    assert upstream.provenance()["encoding"] == recorded


def test_an_encoding_that_would_be_guessed_has_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = (f"Où est le café préféré de l'élève français numéro {i} ?,{i}\n" for i in range(30))
    path.write_bytes(("prompt,id\n" + "".join(lines)).encode("cp1252"))
    with pytest.raises(DataError, match=r"is not UTF-8 .* Say which"):
        list(Upstream(str(path)).rows())
    assert next(Upstream(str(path), encoding="cp1252").rows())["id"] == "0"


def test_a_wrong_encoding_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{"prompt": "naïve", "id": "1"}])
    with pytest.raises(DataError, match=r"is not ascii: byte"):
        list(Upstream(str(path), encoding="ascii").rows())
    with pytest.raises(DataError, match=r"Unknown text encoding 'klingon'"):
        list(Upstream(str(path), encoding="klingon").rows())


def test_quotation_marks_of_windows_are_no_guess(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("prompt,id\n" + "Who said “hello”?,1\n" * 5).encode("cp1252"))
    assert next(Upstream(str(path)).rows())["prompt"] == "Who said “hello”?"


def test_a_file_without_header_has_numbered_columns(tmp_path: Path) -> None:
    path = tmp_path / "mgsm.tsv"
    path.write_text('He said "five" apples\t5\nSix pears\t6\n', encoding="utf-8")
    source = table(path=str(path), header=False, columns={"prompt": 0, "id": 1})
    assert [(row.prompt, row.source_id) for row in source.rows() if isinstance(row, SourceRow)] == [
        ('He said "five" apples', "5"),
        ("Six pears", "6"),
    ]


def test_broken_lines_are_dropped_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": \n[1]\n{"prompt": "b"}\n', encoding="utf-8")
    rows = list(Upstream(str(path)).rows())
    assert [row.reason if isinstance(row, Dropped) else row["prompt"] for row in rows] == [
        "a",
        "unreadable-row",
        "unreadable-row",
        "b",
    ]


def test_a_csv_line_with_too_many_fields_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,id\nfine,1\nnot, quoted,2\n", encoding="utf-8")
    assert [type(row).__name__ for row in Upstream(str(path)).rows()] == ["dict", "Dropped"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "", "is empty"),
        ("a.csv", "prompt,id\n", "no readable rows"),
        ("a.json", '[{"prompt": "a"}, {"prom', "not a whole JSON array"),
        ("a.json", "nonsense", "not JSON"),
        ("a.parquet", "nonsense", "not a whole Parquet file"),
        ("a.xlsx", "nonsense", "not a whole Excel workbook"),
        ("a.xls", "nonsense", "Known: .csv"),
        ("a.csv.gz", "nonsense", "not a whole gzip file"),
        ("a.parquet.gz", "nonsense", "unpack it first"),
    ],
)
def test_an_unreadable_file_is_one_sentence(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        list(table(path=str(path)).rows())


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a file nor a Hub dataset id"):
        list(Upstream(str(tmp_path / "none.jsonl")).rows())
    (tmp_path / "a.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"is a folder: name one file in it \(a.jsonl\)"):
        list(Upstream(str(tmp_path)).rows())


def test_a_missing_column_names_those_that_exist(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"alpha": "x", "beta": "y"}])
    with pytest.raises(DataError, match=r"no column that looks like the prompt. Its columns: alpha, beta"):
        list(table(path=str(path)).rows())
    with pytest.raises(DataError, match=r"no column 'gamma' for prompt. Its columns: alpha, beta"):
        list(table(path=str(path), columns={"prompt": "gamma"}).rows())


BAD_CELLS = {
    "null-prompt": {"prompt": None, "rejected": "x"},
    "not-text-prompt": {"prompt": 7, "rejected": "x"},
    "empty-prompt": {"prompt": " \u0000\ufeff\n", "rejected": "x"},
    "long-prompt": {"prompt": "x" * 1_000_000, "rejected": "x"},
    "null-rejected": {"prompt": "p", "rejected": None},
    "not-text-rejected": {"prompt": "p", "rejected": {"a": 1}},
    "long-rejected": {"prompt": "p", "rejected": "x" * (MAX_CHARACTERS + 1)},
}


def test_bad_rows_stop_nothing_and_each_is_counted_by_its_reason(tmp_path: Path) -> None:
    good = {"prompt": "How do I \ud800open\u0000 a jar?\r\nPlease.", "rejected": "Twist <|eot_id|> it \u200fمرحبا"}
    path = write(tmp_path / "a.jsonl", [*BAD_CELLS.values(), good])
    *dropped, kept = table(path=str(path)).rows()
    assert [row.reason for row in dropped if isinstance(row, Dropped)] == list(BAD_CELLS)
    assert isinstance(kept, SourceRow)
    assert kept.prompt == "How do I open a jar?\nPlease."
    assert kept.unsafe == "Twist <|eot_id|> it \u200fمرحبا"  # tokens and marks of direction are text


def test_split_surrogates_are_joined_and_lone_ones_go() -> None:
    assert clean_text("\ud83d\ude42 a\udc00b") == "🙂 ab"
    clean_text("\ud83d x").encode()  # whatever is left can be written


def test_a_field_says_why_it_cannot_be_used() -> None:
    assert field(float("nan"), "prompt") == Dropped("null-prompt")
    assert field(["a"], "chosen") == Dropped("not-text-chosen", "a list")


def test_normalised_texts_ignore_case_width_and_marks() -> None:
    assert normalised("  Ｈow—do I, OPEN it?! ") == "how do i open it"


def test_pair_ids_and_groups_follow_the_text_alone(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [{"prompt": "Open it?", "rejected": "x"}])
    second = write(tmp_path / "b.csv", [{"prompt": "open it", "rejected": "y"}])
    (one,), (other,) = (list(table(path=str(path)).rows()) for path in (first, second))
    assert isinstance(one, SourceRow)
    assert isinstance(other, SourceRow)
    assert one.group == other.group
    assert one.pair_id != other.pair_id
