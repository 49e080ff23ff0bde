"""Plain `load_dataset` against the loopback Hub, in a process of its own: it reads HF_ENDPOINT when it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.hub import LoopbackHub
from tests.mpodata.small_versions import write_version

SCRIPT = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
import mpodata
from mpodata.cli import main

folders = sys.argv[1:]
for folder in folders:
    assert main(["publish", folder, "--to", "ana/demo"]) == 0
found = {"configs": get_dataset_config_names("ana/demo"), "tags": {}, "streamed": {}, "pairs": {}}
for tag in ("v1.0.0", "v1.1.0", "v2.0.0", None):
    rows = load_dataset("ana/demo", "nllb-600m.sw", revision=tag, split="train")
    found["tags"][str(tag)] = [row["chosen"][0]["content"] for row in rows]
    stream = load_dataset("ana/demo", "nllb-600m.sw", revision=tag, split="train", streaming=True)
    found["streamed"][str(tag)] = [row["chosen"][0]["content"] for row in stream]
    loaded = mpodata.load("ana/demo" + (f"@{tag}" if tag else ""))
    found["pairs"][str(tag)] = [pair.target.chosen for pair in loaded.pairs()]
print(json.dumps({**found, "newest": [loaded.version, loaded.commit, loaded.reference]}))
"""


@pytest.mark.flow
def test_three_versions_are_each_loaded_by_tag_while_main_has_moved_on(tmp_path: Path) -> None:
    expected = {
        "v1.0.0": [f"No {number} " for number in range(4)],
        "v1.1.0": [f"No {number} " for number in range(6)],
        "v2.0.0": [f"No {number} never" for number in range(6)],
    }
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    for folder, rows in zip(folders, expected.values(), strict=True):
        write_version(folder, count=len(rows), mark=rows[0].split()[-1] if "never" in rows[0] else "")
    with LoopbackHub() as hub:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.user("ana"), "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        command = [sys.executable, "-c", SCRIPT, *map(str, folders)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        repo = hub.repos["ana/demo"]
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected["None"] = expected["v2.0.0"]
    assert found["tags"] == expected
    assert found["streamed"] == expected
    assert found["pairs"] == expected
    assert sorted(found["configs"]) == ["en", "nllb-600m.sw"]
    assert found["newest"] == ["2.0.0", repo.tags["v2.0.0"], "ana/demo@v2.0.0"]
    assert [commit.title for commit in repo.history(repo.head())] == ["v2.0.0", "v1.1.0", "v1.0.0", "initial commit"]
    for token in hub.users:
        assert token not in done.stdout + done.stderr


@pytest.mark.parametrize("cards", ["with their cards", "without their cards"])
def test_two_versions_on_one_disk_never_serve_each_others_rows(cards: str, tmp_path: Path) -> None:
    """`datasets` keys its cache by folder name, config and patterns: here only the hash differs."""
    from datasets import load_dataset

    for place, mark in (("a", "never"), ("b", "sorry")):
        write_version(tmp_path / place / "demo", count=5, mark=mark)
        if cards == "without their cards":
            (tmp_path / place / "demo" / "README.md").unlink()
    for _ in range(2):
        for place, mark in (("a", "never"), ("b", "sorry")):
            config = {} if cards == "without their cards" else {"name": "nllb-600m.sw"}
            files = {} if config else {"data_files": {"train": "nllb-600m/sw/train-*.parquet"}}
            rows = load_dataset(
                str(tmp_path / place / "demo"), **config, **files, split="train", cache_dir=str(tmp_path / "cache")
            )
            assert [row["chosen"][0]["content"] for row in rows] == [f"No {number} {mark}" for number in range(5)]
