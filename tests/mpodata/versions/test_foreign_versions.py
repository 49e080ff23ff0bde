"""Versions that a stranger made: names, paths and links lead nowhere, and nothing of them is obeyed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpodata
from mpodata.cli import main
from mpodata.errors import VersionError
from mpodata.runtime.files import hash_file
from mpodata.versions.load import load
from mpodata.versions.manifest import MANIFEST, read_manifest
from mpodata.versions.stores.folder import FolderStore
from tests.mpodata.small_versions import write_version

Capture = pytest.CaptureFixture[str]
COMMANDS = ("show", "export", "verify", "diff")


def run(command: str, version: Path, out: Path) -> int:
    arguments = {
        "show": ["show", str(version), "--pair", "1", "--reveal"],
        "export": ["export", str(version), "--format", "trl", "--out", str(out)],
        "verify": ["verify", str(version)],
        "diff": ["diff", str(version), str(version)],
    }
    return main(arguments[command])


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads((folder / MANIFEST).read_text())
    change(raw)
    (folder / MANIFEST).write_text(json.dumps(raw))


def rename_config(raw: dict[str, Any], name: str, **values: object) -> None:
    raw["configs"][name] = {**raw["configs"].pop("nllb-600m.sw"), **values}


def split_named(raw: dict[str, Any], split: str) -> None:
    splits = raw["configs"]["nllb-600m.sw"]["splits"]
    splits[split] = splits.pop("train")


def path_of(raw: dict[str, Any], path: str) -> None:
    raw["configs"]["nllb-600m.sw"]["splits"]["train"]["path"] = path


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


EVIL: dict[str, Callable[[dict[str, Any]], object]] = {
    "config above": lambda raw: rename_config(raw, "../../up.sw", translator="../../up"),
    "config absolute": lambda raw: rename_config(raw, "/tmp/x.sw", translator="/tmp/x"),
    "config another than its parts": lambda raw: rename_config(raw, "google.sw"),
    "translator with dots": lambda raw: rename_config(raw, "a..b.sw", translator="a..b"),
    "translator a device": lambda raw: rename_config(raw, "con.sw", translator="con"),
    "translator a device with a suffix": lambda raw: rename_config(raw, "nul.x.sw", translator="nul.x"),
    "translator reversed": lambda raw: rename_config(raw, "nllb\u202e.sw", translator="nllb\u202e"),
    "translator a number": lambda raw: rename_config(raw, "5.sw", translator=5),
    "language unknown": lambda raw: rename_config(raw, "nllb-600m.xx", language="xx"),
    "language above": lambda raw: rename_config(raw, "nllb-600m.../sw", language="../sw"),
    "dominant a path": lambda raw: raw.update(dominant="../en"),
    "split above": lambda raw: split_named(raw, "../../../planted"),
    "split absolute": lambda raw: split_named(raw, "/tmp/planted"),
    "split unknown": lambda raw: split_named(raw, "dev"),
    "file above": lambda raw: path_of(raw, "nllb-600m/sw/../../../train-0123456789abcdef.parquet"),
    "file of another config": lambda raw: path_of(raw, "en/train-0123456789abcdef.parquet"),
    "file hidden": lambda raw: path_of(raw, "nllb-600m/sw/.train-0123456789abcdef.parquet"),
    "file with an escape": lambda raw: path_of(raw, "nllb-600m/sw/train-\x1b[2J.parquet"),
    "files above": lambda raw: raw["files"].update({"../../secret": "0" * 64}),
    "name above": lambda raw: raw.update(name="../../x"),
    "name with an escape": lambda raw: raw.update(name="\x1b]0;owned\x07"),
    "version not one": lambda raw: raw.update(version="1.0"),
    "licence a page": lambda raw: raw.update(licence="mit\n---\n# Free"),
    "history a number": lambda raw: raw.update(history=[7]),
    "history of another kind": lambda raw: raw.update(history=[{"version": "1.0.0", "content": "x"}]),
    "builds a list": lambda raw: raw.update(builds=[]),
    "build empty": lambda raw: raw.update(builds={"x": {}}),
    "rows negative": lambda raw: raw["configs"]["en"]["splits"]["train"].update(rows=-1),
    "rows a text": lambda raw: raw["configs"]["en"]["splits"]["train"].update(rows="10"),
    "quality a list": lambda raw: raw["configs"]["en"]["splits"]["train"].update(quality={"chosen_verdict": [1]}),
    "drops a text": lambda raw: raw["configs"]["en"].update(dropped={"copied": "many"}),
    "other config nameless": lambda raw: raw.update(other_configs=[{}]),
    "other config deep": lambda raw: raw.update(other_configs=[{"config_name": "x", "y": nested(300)}]),
    "unknown key": lambda raw: raw.update(surprise=1),
    "lone surrogate": lambda raw: next(iter(raw["builds"].values()))["recipe"].update(name="\ud800"),
    "schema a text": lambda raw: raw.update(schema="1"),
    "parallel a text": lambda raw: raw.update(parallel="no"),
}


@pytest.mark.parametrize("evil", EVIL)
def test_a_manifest_with_such_a_value_is_one_sentence_for_every_command(
    evil: str, tmp_path: Path, capsys: Capture
) -> None:
    write_version(tmp_path / "a" / "version")
    edit(tmp_path / "a" / "version", EVIL[evil])
    before = sorted(tmp_path.rglob("*"))
    for command in COMMANDS:
        assert run(command, tmp_path / "a" / "version", tmp_path / "a" / "out") == 2, command
        told = capsys.readouterr().err
        assert "is not a manifest of mpodata (" in told
        assert told.count("\n") == 1
        assert told.isprintable() or told.rstrip("\n").isprintable()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, '{"schema": 1e999}', "\ufeff{}", '{"schema": NaN}', "\x00", '{"schema": true}'],
)
def test_text_that_is_no_manifest_is_one_sentence(text: str, tmp_path: Path, capsys: Capture) -> None:
    write_version(tmp_path / "version")
    (tmp_path / "version" / MANIFEST).write_text(text)
    assert main(["verify", str(tmp_path / "version")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def link_the_parquet(folder: Path, outside: Path) -> None:
    file = folder / read_manifest(folder).configs["nllb-600m.sw"].splits["train"].path
    file.rename(outside)
    file.symlink_to(outside)


def link_the_language(folder: Path, outside: Path) -> None:
    (folder / "nllb-600m" / "sw").rename(outside)
    (folder / "nllb-600m" / "sw").symlink_to(outside)


def a_pipe_for_the_parquet(folder: Path, outside: Path) -> None:
    file = folder / read_manifest(folder).configs["nllb-600m.sw"].splits["train"].path
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("command", ["show", "export", "verify"])
@pytest.mark.parametrize("plant", [link_the_parquet, link_the_language, a_pipe_for_the_parquet])
def test_links_and_pipes_are_not_followed(
    plant: Callable[[Path, Path], None], command: str, tmp_path: Path, capsys: Capture
) -> None:
    write_version(tmp_path / "version")
    plant(tmp_path / "version", tmp_path / "outside")
    assert run(command, tmp_path / "version", tmp_path / "out") == 2
    told = "".join(capsys.readouterr())
    assert "is a link" in told or "is not a regular file" in told
    assert not (tmp_path / "out").exists()


def test_a_manifest_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    write_version(tmp_path / "version")
    (tmp_path / "version" / MANIFEST).rename(tmp_path / "elsewhere.json")
    (tmp_path / "version" / MANIFEST).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(VersionError, match="is a link"):
        load(tmp_path / "version")


def test_a_registry_does_not_list_versions_that_are_links(tmp_path: Path) -> None:
    write_version(tmp_path / "version")
    (tmp_path / "registry" / "demo").mkdir(parents=True)
    (tmp_path / "registry" / "demo" / "v1.0.0").symlink_to(tmp_path / "version")
    assert FolderStore(tmp_path / "registry" / "demo").tags() == {}


def test_a_snapshot_of_the_hub_clients_cache_is_read_through_its_links(tmp_path: Path) -> None:
    write_version(tmp_path / "version")
    snapshot, blobs = tmp_path / "datasets--a--b" / "snapshots" / "c0ffee", tmp_path / "datasets--a--b" / "blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(path for path in (tmp_path / "version").rglob("*") if path.is_file()):
        link = snapshot / file.relative_to(tmp_path / "version")
        link.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blobs / str(number))
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert len(list(load(snapshot).pairs())) == 10
    parquet = snapshot / read_manifest(snapshot).configs["en"].splits["train"].path
    parquet.unlink()
    parquet.symlink_to("/etc/passwd")
    with pytest.raises(VersionError, match="is a link"):
        list(load(snapshot).pairs())


def swap_answers(folder: Path) -> None:
    """What a forger or a flipped disk does: other content under the same name."""
    manifest = read_manifest(folder)
    train, test = (folder / manifest.configs["nllb-600m.sw"].splits[split].path for split in ("train", "test"))
    train.write_bytes(test.read_bytes())


@pytest.mark.parametrize("command", ["show", "export", "diff"])
def test_a_changed_file_is_not_used(command: str, tmp_path: Path, capsys: Capture) -> None:
    write_version(tmp_path / "version")
    assert run(command, tmp_path / "version", tmp_path / "first") == 0
    swap_answers(tmp_path / "version")
    assert run(command, tmp_path / "version", tmp_path / "out") == 2  # diff: though the recorded hashes are equal
    assert "is not what its manifest recorded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(VersionError, match="is not what its manifest recorded"):
        list(mpodata.load(tmp_path / "version").pairs())


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    write_version(tmp_path / "version")
    (tmp_path / "version" / read_manifest(tmp_path / "version").configs["en"].splits["train"].path).unlink()
    for command in ("show", "export", "diff"):
        assert run(command, tmp_path / "version", tmp_path / "out") == 2
        assert "the version is incomplete" in capsys.readouterr().err


def test_a_file_is_hashed_once_until_it_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_version(tmp_path / "version")
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hash_file(path)

    monkeypatch.setattr("mpodata.versions.load.hash_file", counted)
    for _ in range(3):
        assert len(list(load(tmp_path / "version").pairs())) == 10
    assert len(hashed) == 2  # the dominant side's file and the target's
    os.utime(hashed[0])
    assert len(list(load(tmp_path / "version").pairs())) == 10
    assert len(hashed) == 3


def test_what_a_terminal_would_obey_is_shown_not_sent(tmp_path: Path, capsys: Capture) -> None:
    evil = "\x1b]0;owned\x07\u202etxt.exe\x9b31m"
    write_version(tmp_path / "version", mark=evil)
    for extra in ([], ["--json"]):
        assert main(["show", str(tmp_path / "version"), "--pair", "1", "--reveal", *extra]) == 0
        told = capsys.readouterr().out
        assert "\\u001b]0;owned" in told
        assert "\\u202e" in told
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(told)
    assert json.loads(told)[0]["side"]["chosen"].endswith(evil)


def test_rows_that_are_not_parallel_have_no_pairs(tmp_path: Path) -> None:
    write_version(tmp_path / "version")
    edit(tmp_path / "version", lambda raw: raw.update(parallel=False))
    with pytest.raises(VersionError, match=r"is not parallel: .* there are no pairs to join"):
        list(load(tmp_path / "version").pairs())
    assert len(list(load(tmp_path / "version").rows("nllb-600m.sw"))) == 10
    assert read_manifest(tmp_path / "version").as_json()["parallel"] is False
