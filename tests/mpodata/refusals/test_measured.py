"""Each language's measured reliability is data that whatever prints a rate can show."""

import subprocess
import sys

import pytest

from mpodata.errors import ConfigError
from mpodata.refusals import is_refusal, reliability, reliability_note, tables, tables_hash
from mpodata.refusals.tables import covered


def test_every_language_with_rules_has_measured_figures() -> None:
    for code in covered() - {"yo"}:
        measured = reliability(code)
        assert measured is not None, code
        assert measured.rows > 0
        assert all(0 <= share <= 1 for share in (measured.agreement, measured.precision, measured.recall) if share)
        assert measured.data
        assert measured.date >= "2026-11-27"


def test_a_note_gives_the_figures_and_where_they_come_from() -> None:
    note = reliability_note("en")
    assert "agreement" in note
    assert "human labels" in note


def test_a_language_that_was_not_measured_is_marked() -> None:
    assert reliability("am") is None
    assert reliability_note("am") == "refusal rules not measured in am"


def test_yoruba_has_no_figure_without_a_warning() -> None:
    assert reliability_note("yo") == "phrase rules cannot measure Yoruba: use a guard or a judge"
    yoruba = reliability("yo")
    assert yoruba is not None
    assert (yoruba.agreement, yoruba.precision, yoruba.recall) == (None, None, None)


def test_one_function_tells_refusals() -> None:
    assert is_refusal("I'm sorry, but I can't help with that.", "en")
    assert not is_refusal("Mix the flour with water and bake it.", "en")
    assert not is_refusal("", "en")
    with pytest.raises(ConfigError, match="am"):
        is_refusal("አይ", "am")


def test_the_function_imports_no_model_library() -> None:
    code = (
        "import sys; from mpodata.refusals import is_refusal; is_refusal('No.', 'en');"
        "print(sorted({'torch', 'transformers', 'vllm', 'pyarrow', 'httpx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_hash_of_the_tables_changes_with_one_byte(tmp_path, monkeypatch) -> None:
    before = tables_hash(frozenset({"en", "sw"}))
    for table in tables.TABLES.glob("*.tsv"):
        (tmp_path / table.name).write_bytes(table.read_bytes())
    monkeypatch.setattr(tables, "TABLES", tmp_path)
    assert tables_hash(frozenset({"en", "sw"})) == before
    with (tmp_path / "sw.tsv").open("a", encoding="utf-8") as table:
        table.write("hint\thaiwezi\n")
    assert tables_hash(frozenset({"en", "sw"})) != before
