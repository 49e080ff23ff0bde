"""A version's folder: whole or absent, same rows same bytes, loaded back as it was written."""

import multiprocessing
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import mpodata
from mpodata.errors import DataError, UnknownName, VersionError, VersionExists
from mpodata.versions.manifest import read_manifest
from mpodata.versions.schema import ROW_GROUP
from mpodata.versions.write import VersionWriter
from tests.mpodata.publisher_process import context
from tests.mpodata.small_versions import facts, rows, write_version


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    write_version(tmp_path / "one", count=50, languages=["sw", "ar"])
    write_version(tmp_path / "two", count=50, languages=["sw", "ar"])
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_file_names_carry_the_hash_of_their_content(tmp_path: Path) -> None:
    manifest = write_version(tmp_path / "out")
    for path, file in manifest.parquet_files().items():
        assert path.endswith(f"-{file.sha256[:16]}.parquet")
    assert sorted(path.rsplit("-", 1)[0] for path in manifest.parquet_files()) == [
        "en/test", "en/train", "nllb-600m/sw/test", "nllb-600m/sw/train",
    ]  # fmt: skip


def test_pairs_join_every_target_row_with_its_dominant_side(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(20)))
        writer.add("nllb-600m.sw", "train", rows("sw", [3, 17, 5]))  # some were dropped, and the order is another
        writer.add("google.sw", "train", rows("sw", range(2)))
        writer.finish(facts(translators={name: {"licence": "mit"} for name in ("nllb-600m", "google")}))
    version = mpodata.load(tmp_path / "out")
    pairs = list(version.pairs("train", "nllb-600m"))
    assert [(p.dominant.prompt, p.target.prompt) for p in pairs] == [
        (f"request {n} en", f"request {n} sw") for n in (3, 17, 5)
    ]
    assert pairs[0].quality.chosen_verdict == "refusal"
    assert pairs[0].kind == "harmful"
    assert version.translators() == ("google", "nllb-600m")
    assert len(list(mpodata.load(f"{tmp_path}/out#google").pairs())) == 2
    with pytest.raises(VersionError, match=r"holds google, nllb-600m: pick one, for example .*#google"):
        list(version.pairs())
    with pytest.raises(UnknownName, match="'ko'"):
        list(version.pairs(translator="google", languages=["ko"]))
    with pytest.raises(UnknownName, match="Did you mean 'google'"):
        mpodata.load(f"{tmp_path}/out#goggle")
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        list(version.pairs("trian", "google"))


def test_a_target_row_without_a_dominant_side_is_told(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(3)))
        writer.add("nllb-600m.sw", "train", rows("sw", [2, 9]))
        writer.finish(facts())
    with pytest.raises(VersionError, match="has no dominant side"):
        list(mpodata.load(tmp_path / "out").pairs())


def test_rows_are_streamed_in_groups(tmp_path: Path) -> None:
    count = 2 * ROW_GROUP + 1
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(count)))
        manifest = writer.finish(facts())
    file = pq.ParquetFile(tmp_path / "out" / manifest.configs["en"].splits["train"].path)
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [ROW_GROUP, ROW_GROUP, 1]
    version = mpodata.load(tmp_path / "out")
    assert sum(1 for _ in version.rows("en")) == count
    assert manifest.configs["en"].splits["train"].quality["chosen_verdict"] == {"refusal": count}


def test_nothing_remains_of_a_version_that_was_not_finished(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(3)))
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write_version(tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(VersionExists, match="holds a complete version already"):
        write_version(tmp_path / "out")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("mine")
    with pytest.raises(VersionError, match="exists and is not a dataset version"):
        write_version(tmp_path / "notes")
    assert tree(tmp_path / "out") == before
    with VersionWriter(tmp_path / "out", replace=True) as writer:
        writer.add("en", "train", rows("en", range(3)))
        writer.finish(facts())
    assert list(read_manifest(tmp_path / "out").configs) == ["en"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "out"]


def test_two_writers_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    with (
        VersionWriter(tmp_path / "out"),
        pytest.raises(VersionError, match="Another process is writing"),
        VersionWriter(tmp_path / "out"),
    ):
        pass


@pytest.mark.parametrize(
    ("config", "split", "told"),
    [
        ("nllb-600m.xx", "train", "Unknown language 'xx'"),
        ("NLLB 600.sw", "train", "cannot be a folder"),
        ("../up.sw", "train", "cannot be a folder"),
        ("nllb-600m.sw", "dev", "is not a split"),
        ("nllb-600m.ko", "train", "its language is 'sw'"),
    ],
)
def test_names_that_cannot_be_are_refused(config: str, split: str, told: str, tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer, pytest.raises((DataError, VersionError, UnknownName), match=told):
        writer.add(config, split, rows("sw", range(2)))


def test_a_version_needs_its_dominant_side(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("nllb-600m.sw", "train", rows("sw", range(2)))
        with pytest.raises(VersionError, match="needs its dominant side"):
            writer.finish(facts())
    assert list(tmp_path.iterdir()) == []


def test_pairs_that_vanish_uncounted_are_counted(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(10)))
        writer.add("nllb-600m.sw", "train", rows("sw", range(6)))
        manifest = writer.finish(facts(dropped={"nllb-600m.sw": {"copied": 1}, "policy": {"truncated": 5}}))
    assert manifest.configs["nllb-600m.sw"].dropped == {"absent": 3, "copied": 1}
    assert next(iter(manifest.builds.values()))["dropped"] == {"policy": {"truncated": 5}}


def _write_slowly(out: Path, begun: "multiprocessing.synchronize.Event") -> None:
    begun.set()
    write_version(out, count=400, languages=["sw", "ar", "ko"])


def test_a_writer_killed_at_any_moment_leaves_all_or_nothing(tmp_path: Path) -> None:
    write_version(tmp_path / "whole", count=400, languages=["sw", "ar", "ko"])
    begun = context().Event()
    for number in range(8):
        begun.clear()
        process = context().Process(target=_write_slowly, args=(tmp_path / "out", begun))
        process.start()
        assert begun.wait(60)
        time.sleep(0.03 * number)
        process.kill()
        process.join()
        if (tmp_path / "out").exists():
            break
    if not (tmp_path / "out").exists():
        write_version(tmp_path / "out", count=400, languages=["sw", "ar", "ko"])
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
