"""What an earlier mpodata made still works: a version's folder, and a journal whose results were paid for.

`made_before/` was written by the commit before manifests were checked and journals had checksums.
"""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.runtime.journal import Journal, result_key
from mpodata.versions.load import load
from mpodata.versions.manifest import MANIFEST, read_manifest

MADE = Path(__file__).with_name("made_before")


def journal_of_then(path: Path) -> None:
    """The journal as that commit wrote it: no checksums, readable by everybody."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE results (key BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    rows = [json.loads(line) for line in (MADE / "journal.jsonl").read_text().splitlines()]
    connection.executemany("INSERT INTO results VALUES (?, ?)", [(bytes.fromhex(key), value) for key, value in rows])
    connection.commit()
    connection.close()
    path.chmod(0o644)


def test_a_version_of_then_verifies_loads_and_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MADE / "version", tmp_path / "version")
    assert main(["verify", str(tmp_path / "version")]) == 0
    assert "is sound: 2 files, 6 rows" in capsys.readouterr().out
    pairs = list(load(tmp_path / "version").pairs())
    assert pairs[0].dominant.prompt == "How do I pick a lock at work?"
    assert len(pairs) == 3
    assert main(["publish", str(tmp_path / "version"), "--to", str(tmp_path / "registry" / "then")]) == 0
    assert main(["publish", str(tmp_path / "version"), "--to", str(tmp_path / "registry" / "then")]) == 0
    assert "holds this content already" in capsys.readouterr().out
    assert main(["verify", f"{tmp_path}/registry/then@v1.0.0"]) == 0


def test_its_manifest_is_written_again_byte_for_byte_and_has_the_same_content_hash() -> None:
    manifest = read_manifest(MADE / "version")
    assert manifest.text() == (MADE / "version" / MANIFEST).read_text()
    assert manifest.content() == "2c08a6ab1f5af81a099659eed0bdadf90d85592691b65add0505a32a4d142d89"


def test_a_journal_of_then_is_found_under_the_same_keys(tmp_path: Path) -> None:
    journal_of_then(tmp_path / "journal.sqlite")
    keys = [bytes.fromhex(json.loads(line)[0]) for line in (MADE / "journal.jsonl").read_text().splitlines()]
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert len(journal.lookup(keys)) == len(keys) == 12
        journal.record({result_key("t", {}, "new"): "result"})
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.lookup([result_key("t", {}, "new")]) == {result_key("t", {}, "new"): "result"}
    assert (tmp_path / "journal.sqlite").stat().st_mode & 0o777 == 0o600


def test_the_build_of_then_finds_its_results_and_makes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("rows.jsonl", "r1.jsonl"):
        shutil.copy(MADE / name, tmp_path / name)
    journal_of_then(tmp_path / "journal.sqlite")
    monkeypatch.chdir(tmp_path)
    # The command of then; its two sampling settings were what `--set sampling.candidates=1` alone meant.
    command = (
        "build --source rows.jsonl --engine replay --set engine.options.path=r1.jsonl --set sampling.candidates=1 "
        "--set sampling.temperature=0.0 --set sampling.top_p=1.0 --translator pocket-nllb --languages sw "
        "--checks keep --out v --journal journal.sqlite"
    )
    assert main(command.split()) == 0
    assert "Journal: 12 results found, 0 computed" in capsys.readouterr().out
    made, then = read_manifest(tmp_path / "v").parquet_files(), read_manifest(MADE / "version").parquet_files()
    assert {path: file.sha256 for path, file in made.items()} == {path: file.sha256 for path, file in then.items()}
