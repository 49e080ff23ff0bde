"""The wheel holds the whole product: what a user installs builds a dataset away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA_SUFFIXES = {".tsv", ".yaml", ".json", ".j2", ".css", ".txt", ".jsonl", ".safetensors", ".jinja", ".html", ".js"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git tracks, so that nothing untracked slips in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout: what belongs to the project is not known")
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (file,) = out.glob("*.whl")
    return file


def table(folder: Path) -> Path:
    rows = [
        {"prompt": f"How do I copy homework number {n}?", "chosen": "I can't help with that.", "rejected": "Copy it."}
        for n in range(4)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def build_away(python: Path | str, folder: Path, **environment: str) -> None:
    """Run `mpodata build` and `verify` with `python` in a foreign folder; it must not see this checkout."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    where = subprocess.run(
        [python, "-c", "import mpodata; print(mpodata.__file__)"], cwd=folder, env=clean, capture_output=True, text=True
    )
    assert str(ROOT) not in where.stdout, where.stderr
    line = ["build", "--source", str(table(folder)), "--chosen", "source", "--languages", "", "--out", "out"]
    for words in (line, ["verify", "out"]):
        done = subprocess.run(
            [python, "-m", "mpodata.cli", *words], cwd=folder, env=clean, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (folder / "out" / "README.md").read_text(encoding="utf-8").startswith("---")


def test_every_data_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "mpodata", "mpotrain"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    data = {name for name in tracked.splitlines() if Path(name).suffix in DATA_SUFFIXES and (ROOT / name).is_file()}
    assert data - held == set()
    assert {"mpodata/cards/dataset.md.j2", "mpodata/cards/model.md.j2"} <= held


@pytest.mark.flow
def test_an_unpacked_wheel_builds_a_version(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    build_away(sys.executable, work, PYTHONPATH=str(site))


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_builds_a_version(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python, work = tmp_path / "venv" / "bin" / "python", tmp_path / "work"
    work.mkdir()
    constraints = ROOT / "scripts" / "constraints.txt"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel]
    done = subprocess.run([str(word) for word in install], capture_output=True, text=True)
    if done.returncode and "No matching distribution" not in done.stderr:
        pytest.skip("the package index does not answer")
    assert done.returncode == 0, done.stderr
    build_away(python, work)
