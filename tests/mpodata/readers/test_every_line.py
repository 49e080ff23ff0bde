"""Whatever the bytes: what a file holds is what its reader gives, as rows and as drops with a reason."""

import csv
import gzip
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpodata.errors import DataError
from mpodata.readers.account import Account
from mpodata.readers.files import LocalFile
from mpodata.readers.formats import FORMATS, file_rows
from mpodata.readers.upstream import Upstream
from mpodata.records import Dropped
from mpodata.sources.trl import trl

bounded = settings(
    max_examples=30, deadline=5_000, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SCRIPTS = "\"',;\t\\ab1 #\n\r\r\nöñ你好はい안녕ংিคำสวัसीت/{}[]🙂\u200b"
texts = st.text(
    st.sampled_from(SCRIPTS) | st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30
)
tables = st.lists(st.fixed_dictionaries({"prompt": texts, "rejected": texts, "n": texts}), min_size=1, max_size=8)


def csv_text(rows: list[dict[str, str]], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([list(rows[0]), *([row[name] for name in rows[0]] for row in rows)])
    return out.getvalue().encode()


def parquet(rows: list[dict[str, str]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def workbook(rows: list[dict[str, Any]]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append([row[name] for name in rows[0]])
    book.save(out)
    return out.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    "a.json": lambda rows: json.dumps(rows, indent=1, ensure_ascii=False).encode(),
    "a.jsonl": lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(),
    "a.jsonl.gz": lambda rows: gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()),
    "a.csv": lambda rows: csv_text(rows, ","),
    "a.tsv": lambda rows: csv_text(rows, "\t"),
    "a.parquet": parquet,
}


@pytest.mark.parametrize("name", WRITERS)
@bounded
@given(rows=tables)
def test_every_format_gives_back_every_row(tmp_path: Path, name: str, rows: list[dict[str, str]]) -> None:
    (tmp_path / name).write_bytes(WRITERS[name](rows))
    assert list(file_rows(LocalFile(str(tmp_path / name), "utf-8"))) == rows


printable = st.text(st.sampled_from("ab,;\t\"'öñ你好はい안녕বাংলা🙂 #/{}"), min_size=1, max_size=20).filter(str.strip)


@settings(bounded, max_examples=8)
@given(rows=st.lists(st.fixed_dictionaries({"prompt": printable, "rejected": printable}), min_size=1, max_size=6))
def test_a_workbook_gives_back_every_row(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook(rows))
    assert list(file_rows(LocalFile(str(tmp_path / "a.xlsx")))) == rows


SEEDS = [
    writer([{"prompt": 'How do I "pick" a lock?', "rejected": "পিন, ঘুরিয়ে\nদিন", "n": "7"}] * 3)
    for writer in WRITERS.values()
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound file with bytes changed, put in or taken out, or any bytes at all."""
    content = bytearray(draw(st.sampled_from(SEEDS) | st.binary(max_size=300)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"\n", b"\xff", b"[", b"}"])
        )
    return bytes(content)


def lines_of(content: bytes, file: LocalFile) -> int:
    """Lines, counted in another way than the reader does."""
    text = content.decode(file.encoding, "surrogateescape")
    parts = re.split("\r\n|\r|\n", text)
    return len(parts) - (parts[-1] == "")


@pytest.mark.parametrize("suffix", FORMATS)
@settings(bounded, max_examples=60)
@given(content=damaged())
def test_damaged_files_are_refused_or_every_line_is_accounted_for(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    file, account = LocalFile(str(path)), Account()
    try:
        rows = list(file_rows(file))
        assert list(account.settled(FORMATS[suffix].rows(file, account))) == rows
    except DataError:
        return
    assert all(isinstance(row, dict | Dropped) for row in rows)
    if suffix in (".csv", ".tsv") and "utf-8" in file.encoding:
        assert account.taken == lines_of(content, file)


def sound(number: int) -> dict[str, Any]:
    return {"prompt": f"How do I open door {number}?", "chosen": "I cannot help with that.", "rejected": "Pull."}


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


# Fifteen ways in which a row of JSON lines is malformed, and the reason it is dropped with.
MALFORMED: dict[str, tuple[Callable[[int], bytes], str]] = {
    "cut short": (lambda n: line(sound(n))[:-9], "unreadable-row"),
    "not JSON": (lambda n: b"How do I open it?", "unreadable-row"),
    "a list": (lambda n: b"[1, 2]", "unreadable-row"),
    "a number": (lambda n: b"17", "unreadable-row"),
    "null": (lambda n: b"null", "unreadable-row"),
    "two objects": (lambda n: line(sound(n)) * 2, "unreadable-row"),
    "single quotes": (lambda n: str(sound(n)).encode(), "unreadable-row"),
    "a bare quote inside": (lambda n: b'{"prompt": "say "no" now", "rejected": "x"}', "unreadable-row"),
    "an invalid byte": (lambda n: line(sound(n))[:-2] + b'\xff"}', "invalid-bytes"),
    "5,000 digits": (lambda n: b'{"prompt": "p", "rejected": "r", "n": ' + b"9" * 5_000 + b"}", "unreadable-row"),
    "deep nesting": (lambda n: b'{"prompt": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "unreadable-row"),
    "a control character": (lambda n: b'{"prompt": "a\x01b", "rejected": "r"}', "unreadable-row"),
    "no prompt": (lambda n: line({**sound(n), "prompt": None}), "null-prompt"),
    "a prompt that is no text": (lambda n: line({**sound(n), "prompt": {"a": 1}}), "not-text-prompt"),
    "an empty answer": (lambda n: line({**sound(n), "rejected": " \u200b\u0000"[:1]}), "empty-rejected"),
}


def test_ten_thousand_malformed_rows_of_fifteen_kinds_are_all_counted(tmp_path: Path) -> None:
    kinds = list(MALFORMED)
    lines = [*(MALFORMED[kinds[n % 15]][0](n) for n in range(10_000)), *(line(sound(n)) for n in range(1_000))]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    rows = list(trl(path=str(path)).rows())
    reasons = Counter(row.reason for row in rows if isinstance(row, Dropped))
    expected: Counter[str] = Counter()
    for number in range(10_000):
        expected[MALFORMED[kinds[number % 15]][1]] += 1
    assert len(rows) == 11_000
    assert reasons == expected


def test_malformed_elements_of_an_array_are_counted_in_their_place(tmp_path: Path) -> None:
    balanced = [kind for kind in MALFORMED if kind not in ("cut short", "not JSON", "two objects")]
    elements: list[bytes] = []
    for number, kind in enumerate(balanced * 40):
        elements += [line(sound(number)), MALFORMED[kind][0](number)]
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b",\n".join(elements).replace(b"p", "পপ".encode()) + b"]")
    rows = list(file_rows(LocalFile(str(path))))
    assert len(rows) == len(elements)
    assert all(isinstance(row, dict) for row in rows[::2])


# One entry per odd file: its name, its content, and what is read of it.
ACCOUNTED: dict[str, tuple[str, str | bytes, list[str]]] = {
    "a TSV field that opens with a quote": ("a.tsv", 'p\tr\na\tb\n"c\td\ne\tf\n', ["a", '"c', "e"]),
    "TSV fields that open with a quote, twice": ("a.tsv", 'p\tr\n"a\tb\nc\td\n"e\tf\n', ['"a', "c", '"e']),
    "a TSV field that opens and another that ends with one": ("a.tsv", 'p\tr\n"a\tb\nc\tsay "no"\n', ['"a', "c"]),
    "TSV quotes of a spreadsheet": ("a.tsv", 'p\tr\n"a ""b"" c"\td\n"e\nf"\tg\n', ['a "b" c', "e\nf"]),
    "Swahili in TSV with a quote": ("a.tsv", 'p\tr\n"Ninawezaje kufungua\tx\nb\ty\n', ['"Ninawezaje kufungua', "b"]),
    "one TSV column with quotes": ("a.tsv", 'p\n"a\nb\n"c"\n', ['"a', "b", "c"]),
    "a CSV quote never closed": ("a.csv", 'p,r\na,b\nc,"d\ne,f\ng,h\n', ["a", "unreadable-row", "e", "g"]),
    "a CSV quote closed by a later row's": (
        "a.csv",
        'p,q,r\na,"b,c\nd,e,f\n,"g,h",i\n',
        ["unreadable-row", "d", ""],
    ),
    "text after a closing quote in CSV": ("a.csv", 'p,r\n"a "b" c",d\ne,f\n', ["unreadable-row", "e"]),
    "a CSV field over lines": ("a.csv", 'p,r\n"a\n\nb",c\nd,e\n', ["a\n\nb", "d"]),
    "a CSV field over lines, wrongly closed": (
        "a.csv",
        'p,r\n"a\nhe said "no",c\nd,e\n',
        ["unreadable-row", "unreadable-row", "d"],
    ),
    "a stray CSV quote that a stray quote rows later closes": (
        "a.csv",
        'n,p,r\n1,a,"First.\n2,b,Second.\n3,c,Third.\n4,d,5"\n5,e,f\n',
        [*["unreadable-row"] * 4, "e"],
    ),
    "a stray CSV quote in Bengali, closed rows later, with semicolons": (
        "a.csv",
        'p;r\nকীভাবে;"পিন\nকেন;চাবি\nকখন;তালা\nকোথায়;৫"\nকে;ঘর\n',
        [*["unreadable-row"] * 4, "কে"],
    ),
    "a CSV quote that closes rows later and leaves too few fields": (
        "a.csv",
        'p,r\n"a,First.\nb,Second.\nc,Third"\n',
        ["unreadable-row", "b", "c"],
    ),
    "a TSV quote that closes rows later": ("a.tsv", 'p\tr\na\t"b\nc\td\ne\tf\ng\t5"\n', ["a", "c", "e", "g"]),
    "a CSV field over lines of prose with commas": (
        "a.csv",
        'p,r\na,"Dear John,\nfirst, take it\nthen, go\nYours"\nb,c\n',
        ["a", "b"],
    ),
    "CSV files joined end to end": (
        "a.csv",
        "p,r\na,b\n\ufeffp,r\nc,d\np , r\n",
        ["a", *["unreadable-row", "c"], "unreadable-row"],
    ),
    "TSV files joined end to end": ("a.tsv", "p\tr\na\tb\np\tr\nc\td\n", ["a", "unreadable-row", "c"]),
    "JSON lines joined with a mark between": ("a.jsonl", '{"p": "a"}\n\ufeff{"p": "b"}\n', ["a", "b"]),
    "a name twice in a JSON line": ("a.jsonl", '{"p": "a", "p": "b"}\n{"p": "c"}\n', ["unreadable-row", "c"]),
    "a name twice in an element": (
        "a.json",
        '[{"p": "a", "r": {"x": 1, "x": 2}}, {"p": "c"}]',
        ["unreadable-row", "c"],
    ),
    "CSV with semicolons": ("a.csv", 'p;r\n"a;b";c\n', ["a;b"]),
    "CSV with blank lines and old line ends": ("a.csv", "\r\rp,r\r\ra,b\rc,d\r", ["a", "c"]),
    "CSV with empty trailing cells": ("a.csv", "p,r,,\na,b,,\nc,d,,,\n", ["a", "c"]),
    "CSV with a row of too many fields": ("a.csv", "p,r\na,b,c\nd,e\n", ["unreadable-row", "d"]),
    "CSV with an invalid byte in Chinese": (
        "a.csv",
        "p,r\n你好吗,b\n".encode() + b"\xe4\xbd,d\ne,f\n",
        ["你好吗", "invalid-bytes", "e"],
    ),
    "two arrays": ("a.json", '[{"p": "a"}]\n[{"p": "b"}]', ["a", "b"]),
    "two arrays in JSONL": ("a.jsonl", '[{"p": "a"}]\n[{"p": "b"}]', ["a", "b"]),
    "an array under the name .jsonl": ("a.jsonl", '[\n{"p": "a"},\n{"p": "b"}]\n', ["a", "b"]),
    "a list among JSON lines": ("a.jsonl", '[{"p": "a"}]\n{"p": "b"}\n', ["unreadable-row", "b"]),
    "an array without commas": ("a.json", '[{"p": "a"} {"p": "b"}]', ["a", "b"]),
    "an array with scalars": (
        "a.json",
        '[1, {"p": "a"}, "x,y]", null, [2], true]',
        ["unreadable-row", "a", *["unreadable-row"] * 4],
    ),
    "a broken element": (
        "a.json",
        '[{"p": a}, {"p": "b, ]"}, {"p": "c"]}, {"p": "d"}]',
        ["unreadable-row", "b, ]", "unreadable-row", "d"],
    ),
    "a trailing comma": ("a.json", '[{"p": "a"},]', ["a"]),
    "pandas' columns": ("a.json", '{"p": {"0": "a", "1": "b"}, "r": {"0": "c", "1": "d"}}', ["a", "b"]),
    "pandas' rows": ("a.json", '{"0": {"p": "a"}, "1": {"p": "b"}}', ["a", "b"]),
    "an object that holds rows and a scalar": ("a.json", '{"n": 2, "data": [{"p": "a"}, 7]}', ["a", "unreadable-row"]),
    "UTF-16 without a mark": ("a.csv", "p,r\nhow do I,x\n".encode("utf-16-le"), ["how do I"]),
    "an invalid byte in German": (
        "a.jsonl",
        '{"p": "Wie öffne ich es?"}\n'.encode() + b'{"p": "T\xfcr"}\n',
        ["Wie öffne ich es?", "invalid-bytes"],
    ),
    "an invalid byte in Arabic": (
        "a.jsonl",
        '{"p": "كيف أفتحه"}\n'.encode() + b'{"p": "\xd9"}\n',
        ["كيف أفتحه", "invalid-bytes"],
    ),
    "an invalid byte in plain English": (
        "a.jsonl",
        b'{"p": "a"}\n{"p": "b\xff"}\n{"p": "c"}\n',
        ["a", "invalid-bytes", "c"],
    ),
    "an invalid byte in an array": (
        "a.json",
        '[{"p": "は"}, {"p": "'.encode() + b"\xe3\x81" + b'"}, {"p": "c"}]',
        ["は", "invalid-bytes", "c"],
    ),
}


@pytest.mark.parametrize("case", ACCOUNTED)
def test_no_line_is_lost_or_swallowed(tmp_path: Path, case: str) -> None:
    name, content, expected = ACCOUNTED[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    given_rows = [row.reason if isinstance(row, Dropped) else row["p"] for row in file_rows(LocalFile(str(path)))]
    assert given_rows == expected


REFUSED: dict[str, tuple[str, str, str]] = {
    "a quote never closed over text": (
        "a.csv",
        'p,r\na,"b\ngoes on\nand on\n',
        r"a quote opens in line 2 and is never",
    ),
    "a quote never closed in one column": ("a.csv", 'p\na\n"b\nc\n', r"a quote opens in line 3 and is never closed"),
    "text after an array": ("a.json", '[{"p": "a"}] nonsense', r"text after the end of its array \(after row 0\)"),
    "an array that does not end": ("a.json", '[{"p": "a"}, {"p": "b"}', r"ends after row 1 without a '\]'"),
    "an element that does not end": ("a.json", '[{"p": "a"}, {"p": "b"', r"row 1 has no end"),
    "a name twice": ("a.csv", "p,r,p\na,b,c\n", r"has two columns named 'p'"),
    "a name twice in an object": ("a.json", '{"p": "a", "p": "b"}', "not JSON: a name stands twice"),
    "a table of numbers": ("a.json", "[1, 2]", "no readable rows"),
    "no table": ("a.json", '{"a": [1], "b": [1, 2]}', "holds no table"),
}


def read_all(path: Path) -> list[str]:
    list(Upstream(str(path)).rows())
    return Upstream(str(path)).columns


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    name, content, said = REFUSED[case]
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_all(tmp_path / name)


def test_columns_are_those_of_all_rows_and_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"p": "a"}\n{"p": "b", "kind": "harmless"}\n{"q": 1}\n', encoding="utf-8")
    assert Upstream(str(path)).columns == ["p", "kind", "q"]
    path.write_text('{"p": "a"}\n{"new": "b"}\n', encoding="utf-8")
    assert Upstream(str(path)).columns == ["p", "new"]


def test_a_workbook_is_read_with_its_gaps_errors_and_formulas(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for cells in (
        [],
        ["id", "p", None, "n"],
        ["1", "你好", None, 3],
        [],
        ["2", "#REF!", None, 1.5],
        ["3", "c", None, 4, "x"],
        ["4"],
        ["id", "p", "2", "n"],
    ):
        book.active.append(cells)
    book.create_sheet("empty")
    book.save(tmp_path / "a.xlsx")
    rows = list(Upstream(str(tmp_path / "a.xlsx")).rows())
    assert rows == [
        {"id": "1", "p": "你好", "2": None, "n": 3},
        {"id": "2", "p": None, "2": None, "n": 1.5},
        Dropped("unreadable-row", "row 6: 5 cells for 4 names"),
        {"id": "4", "p": None, "2": None, "n": None},
        Dropped("unreadable-row", "row 8: the line of names again"),
    ]
    book.create_sheet("more").append(["p"])
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(DataError, match=r"has 2 sheets with rows \(Sheet, more\)"):
        list(Upstream(str(tmp_path / "b.xlsx")).rows())


def test_text_of_a_parquet_file_that_is_not_utf8_drops_its_row(tmp_path: Path) -> None:
    column = pa.array([b"a", b"\xff\xfe", "ง".encode()], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"p": column}), tmp_path / "a.parquet")
    rows = list(Upstream(str(tmp_path / "a.parquet")).rows())
    assert rows == [{"p": "a"}, Dropped("invalid-bytes", "row 1"), {"p": "ง"}]


def test_a_truncated_gzip_file_is_one_sentence() -> None:
    whole = gzip.compress(b'{"p": "a"}\n' * 5_000)
    with tempfile.NamedTemporaryFile(suffix=".jsonl.gz") as file:
        Path(file.name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match="not a whole gzip file"):
            list(Upstream(file.name).rows())


def test_a_reader_that_loses_a_row_is_a_bug_that_stops() -> None:
    account = Account(taken=2)
    with pytest.raises(AssertionError, match="rows lost"):
        list(account.settled(iter([{"p": "a"}])))
