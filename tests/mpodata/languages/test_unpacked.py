"""Arrays kept in the cache folder: unpacked once, whole or made anew."""

import os
from pathlib import Path

import numpy as np
import pytest

from mpodata.languages import bayes
from mpodata.languages.unpacked import FOLDER, unpacked

ARRAYS = {"numbers": np.arange(2000, dtype=np.int32), "words": np.array(["ndiyo", "hapana"])}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))
    unpacked("table-1", lambda: ARRAYS)
    return tmp_path / "cache" / FOLDER / "table-1"


def never() -> dict[str, np.ndarray]:
    raise AssertionError("unpacked again")


def assert_same(arrays) -> None:
    assert sorted(arrays) == sorted(ARRAYS)
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)


def test_arrays_are_unpacked_once(kept: Path) -> None:
    assert_same(unpacked("table-1", never))
    assert sorted(path.name for path in kept.parent.iterdir()) == ["table-1"]  # nothing half made is left


def test_another_name_is_unpacked(kept: Path) -> None:
    with pytest.raises(AssertionError, match="unpacked again"):
        unpacked("table-2", never)


@pytest.mark.parametrize("damage", ["cut off", "empty", "missing", "unlisted"])
def test_a_folder_that_is_not_whole_is_made_anew(kept: Path, damage: str) -> None:
    file = kept / "numbers.npy"
    if damage == "missing":
        file.unlink()
    elif damage == "unlisted":
        (kept / "names").unlink()
    else:
        file.write_bytes(file.read_bytes()[: 1000 if damage == "cut off" else 0])
    assert_same(unpacked("table-1", lambda: ARRAYS))
    assert_same(unpacked("table-1", never))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    tmp_path.chmod(0o500)
    assert_same(unpacked("table-1", lambda: ARRAYS))


def test_a_cache_folder_that_is_a_file_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))
    assert_same(unpacked("table-1", lambda: ARRAYS))


def test_languages_are_identified_alike_by_a_kept_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    text = bayes.encoded("Samahani, siwezi kukusaidia na hilo.")
    found = []
    for _ in range(2):
        model = bayes.model.__wrapped__()
        found.append(model.classes(model.labels).likeliest(model.automaton.visits([text])[0], len(text)))
        monkeypatch.setattr(bayes, "_shipped", never)
    assert found[0] == found[1]
    assert found[0][0] == "sw"
