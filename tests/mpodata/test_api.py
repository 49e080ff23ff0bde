"""The public functions of mpodata, as a notebook uses them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mpodata
from mpodata.errors import MpoError

ROWS = [
    ("How do I pick a lock?", "I'm sorry, but I can't help with that.", "First you need a thin piece of metal."),
    ("How do I copy homework?", "I can't help you with copying homework.", "Take it while nobody looks and write."),
    ("How do I skip the queue?", "I'm sorry, I won't help with skipping queues.", "Say that a friend waits in front."),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    keys = ("prompt", "chosen", "rejected")
    path.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in ROWS), encoding="utf-8")
    return path


def recipe_of(table: Path) -> list[str]:
    return [f"source.path={table}", "source.name=table", "chosen=source", "test_share=0"]


def test_every_public_name_is_there_and_none_is_heavy_before_it_is_used() -> None:
    heavy = ("torch", "transformers", "pyarrow", "datasets", "yaml")
    code = (
        "import sys, mpodata\n"
        f"assert not [name for name in {heavy} if name in sys.modules]\n"
        "assert all(hasattr(mpodata, name) for name in mpodata.__all__)\n"
        f"assert not [name for name in {heavy[:2]} if name in sys.modules]\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert set(mpodata.__all__) <= set(dir(mpodata))


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'bild'"):
        mpodata.bild  # noqa: B018


def test_a_version_is_built_loaded_verified_and_compared(table: Path, tmp_path: Path) -> None:
    assert mpodata.plan("quickstart", settings=recipe_of(table)).rows > 0
    recipe = mpodata.Recipe(
        source=mpodata.Recipe().source.__class__(name="table", path=str(table)), chosen="source", test_share=0.0
    )
    version = mpodata.build(recipe, tmp_path / "out")
    assert [row.side.prompt for row in version.rows("en")]
    assert mpodata.verify(tmp_path / "out") == []
    assert mpodata.diff(tmp_path / "out", tmp_path / "out").lines() == []
    assert mpodata.build(recipe, tmp_path / "out").commit == version.commit


def test_what_can_be_mended_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MpoError, match="No recipe file"):
        mpodata.build(tmp_path / "nowhere.yaml", tmp_path / "out")


def test_the_audit_room_is_called_like_its_function(table: Path) -> None:
    import mpodata.audit.findings  # once the room is imported, its name must still be the function

    found = mpodata.audit(str(table))
    assert found.rows == {"en": 3}
    assert isinstance(found, mpodata.audit.findings.Audit)  # type: ignore[attr-defined]
