"""Every fault on every command: exit code 2 and one sentence, nothing half written, nothing of the user's lost."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import mpodata.cli
import mpotrain.cli
from tests.faults import machine
from tests.faults.base_install import base_install
from tests.faults.commands import (
    COMMANDS,
    Command,
    copy_world,
    judge_first_row,
    make_world,
    places,
    run,
    served_briefly,
    words,
)
from tests.faults.table import TABLE, Cell, cells


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("faults") / "world")


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warm")


@pytest.fixture(autouse=True)
def _children(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What commands start in processes of their own runs here (sweep's runs) or fails at once (reproduce's steps)."""

    def train_here(line: list[str]) -> int:
        return mpotrain.cli.main(line[3:])

    monkeypatch.setattr("mpotrain.training.sweep.run_bound", train_here)
    monkeypatch.setattr("mpotrain.runs.run_bound", lambda line, **streams: 2)
    with served_briefly(judge_first_row):
        yield


def suffix(command: Command) -> str:
    return command.output.removeprefix("{out}")


def versions_of(command: Command, given: dict[str, str]) -> list[Path]:
    named = [Path(word.format(**given)) for word in command.versions]
    return [path if (path / "manifest.json").exists() else path / "v1.0.0" for path in named]


def damage_parquet(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200:230] = b"\xff" * 30
    path.write_bytes(data)


def swap_answers(path: Path) -> None:
    table = pq.read_table(path)
    other = {"chosen": "rejected", "rejected": "chosen"}
    pq.write_table(table.rename_columns([other.get(name, name) for name in table.column_names]), path)


def break_json(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8")[:-60], encoding="utf-8")


def writable(path: Path) -> Path:
    path.chmod(0o644)  # published files are read-only
    return path


class Ground:
    """One command on ground of its own: where its output goes, and what is there before."""

    def __init__(self, command: Command, world: Path, folder: Path) -> None:
        self.command, self.folder, self.world = command, folder, world
        self.home = folder / "home"
        self.home.mkdir()
        self.out = self.home / "out"
        self.given = places(world, self.out)
        self.more: list[str] = []
        self.keepsake: Path | None = None

    def own_world(self) -> Path:
        own = copy_world(self.world, self.folder / "world")
        self.given = places(own, self.out)
        return own

    def output(self) -> Path:
        return Path(f"{self.out}{suffix(self.command)}")

    # Each fault is a context in which the command runs.
    def full_disk(self) -> Any:
        return machine.full_disk()

    @contextmanager
    def full_standard_output(self) -> Iterator[None]:
        full, before = open("/dev/full", "w", encoding="utf-8"), sys.stdout  # noqa: SIM115
        sys.stdout = full
        try:
            yield
        finally:
            sys.stdout = before
            with suppress(OSError):
                full.close()

    def unwritable_folder(self) -> Any:
        return machine.without_rights(self.home, 0o555)

    def file_in_place_of_its_folder(self) -> Any:
        self.home.rmdir()
        self.home.write_text("mine")
        self.keepsake = self.home
        return nullcontext()

    def something_else_in_its_place(self) -> Any:
        if suffix(self.command):
            self.output().mkdir()
        else:
            self.output().write_text("mine")
            self.keepsake = self.output()
        return nullcontext()

    def planted_link(self) -> Any:
        (self.folder / "mine").mkdir()
        self.keepsake = self.folder / "mine" / "thesis.txt"
        self.keepsake.write_text("mine")
        self.output().symlink_to(self.keepsake if suffix(self.command) else self.keepsake.parent)
        return nullcontext()

    def link_to_nowhere(self) -> Any:
        self.output().symlink_to(self.folder / "nowhere")
        return nullcontext()

    def missing_input(self) -> Any:
        word = self.command.inputs[0].strip("{}").partition("}")[0]
        self.given[word] = str(self.folder / "nowhere")
        return nullcontext()

    def unreadable_input(self) -> Any:
        self.own_world()
        path = Path(self.command.inputs[0].format(**self.given))
        if path.is_symlink():  # the model, which is shared: a copy of its own
            path.unlink()
            shutil.copytree(self.world / "model", path)
        return machine.without_rights(path, 0)

    def damaged_parquet(self, change: Callable[[Path], None] = damage_parquet) -> Any:
        self.own_world()
        for path in versions_of(self.command, self.given):
            for file in path.rglob("*.parquet"):
                change(writable(file))
        return nullcontext()

    def swapped_answers(self) -> Any:
        return self.damaged_parquet(swap_answers)

    def broken_manifest(self) -> Any:
        own = self.own_world()
        for path in versions_of(self.command, self.given):
            break_json(writable(path / "manifest.json"))
        break_json(own / "evaluation" / "results.json")
        return nullcontext()

    @contextmanager
    def no_network(self) -> Iterator[None]:
        import huggingface_hub

        self.given |= {"version": "user/name", "two": "user/two", "registry": "user", "rows": "user/rows"}
        if self.command.name in ("eval", "build-native"):
            self.given["model"] = "user/model"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
            patch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
            patch.setattr(time, "sleep", lambda seconds: None)
            yield
        huggingface_hub.close_session()

    def pickle_weights(self) -> Any:
        import torch

        own = self.own_world()
        (own / "model").unlink()
        shutil.copytree(self.world / "model", own / "model", ignore=shutil.ignore_patterns("*.safetensors"))
        torch.save(_MakesAFolder(str(self.folder / "owned")), own / "model" / "pytorch_model.bin")
        return nullcontext()

    def invalid_yaml(self) -> Any:
        flag, key = self.command.settings.split()
        self.more = [flag, f"{key}=[1, {{"]
        return nullcontext()

    def ctrl_c(self) -> Any:
        """While the output is made; for commands that only print, while the input is read.

        Those that finish a block first: before the first one, in a journal of their own.
        """
        if self.command.name in FINISH_A_BLOCK:
            self.more = ["--journal", str(self.folder / "journal.sqlite")]
            return machine.ctrl_c_at(str(files("mpodata.pocket") / "nllb"))
        place = self.home if self.command.output else Path(self.command.inputs[0].format(**self.given)).parent
        return machine.ctrl_c_at(str(place))


NEW_JOURNAL = {  # what meets its journal first: it is new there, and else kept over the tests
    "full disk": ("build", "build-native", "plan", "translate-benchmark", "gap", "states", "eval", "train"),
    "unwritable folder": ("plan",),
}


ROWS = (".parquet", ".jsonl")  # what holds the rows of a version
FINISH_A_BLOCK = ("build", "translate-benchmark")  # when they meet Ctrl-C


# Faults that `mpotrain states` meets when its page has been drawn, which takes seconds.
DRAWN_TO_THE_END = (
    "full standard output", "unwritable folder", "file in place of its folder", "planted link", "link to nowhere",
)  # fmt: skip


class _MakesAFolder:
    """What a hostile pickle does when it is read."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


def marked() -> Iterator[Any]:
    for fault, command, cell in cells():
        if not cell.reason and fault != "base install":
            draws = command == "states" and fault in DRAWN_TO_THE_END
            marks = [pytest.mark.slow] if cell.slow or draws else []
            yield pytest.param(fault, command, cell, id=f"{fault}-{command}", marks=marks)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # /dev/full takes no last flush
@pytest.mark.parametrize(("fault", "name", "cell"), list(marked()))
def test_a_fault_is_said_in_one_sentence_and_leaves_nothing_half_made(
    fault: str, name: str, cell: Cell, world: Path, warm_cache: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    command = COMMANDS[name]
    new_journal = name in NEW_JOURNAL.get(fault, ())
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "home" / "cache" if new_journal else warm_cache))
    ground = Ground(command, world, tmp_path)
    context = getattr(ground, fault.lower().replace(" ", "_").replace("-", "_"))
    with context():
        code = run(command, ground.given, *ground.more)
    told = capsys.readouterr().err
    assert code == cell.code, told
    assert "Traceback" not in told
    if code:
        sentences = [line for line in told.splitlines() if line.startswith(("mpodata: ", "mpotrain: "))]
        assert sentences, told
        assert any(words in sentences[-1] for words in cell.words.split("|")), sentences
        assert fault == "pickle weights" or len(sentences) <= 2, sentences
    if ground.keepsake is not None:
        assert ground.keepsake.read_text() == "mine"
    assert not (tmp_path / "owned").exists()
    assert_nothing_half_made(ground, cell)


@pytest.mark.parametrize("name", FINISH_A_BLOCK)
def test_after_ctrl_c_the_same_command_goes_on_and_makes_what_it_would_have_made(
    name: str, world: Path, warm_cache: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MPODATA_CACHE", str(warm_cache))
    (tmp_path / "stopped").mkdir()
    (tmp_path / "whole").mkdir()
    stopped, whole = (Ground(COMMANDS[name], world, tmp_path / place) for place in ("stopped", "whole"))
    with stopped.ctrl_c():
        assert run(stopped.command, stopped.given, *stopped.more) == 130
    assert "Finishing the block in flight" in capsys.readouterr().err
    with closing(sqlite3.connect(tmp_path / "stopped" / "journal.sqlite")) as journal:
        assert journal.execute("SELECT count(*) FROM results").fetchone()[0]  # the block in flight was kept
    assert run(stopped.command, stopped.given, *stopped.more) == 0
    assert run(whole.command, whole.given, "--journal", str(tmp_path / "whole" / "journal.sqlite")) == 0
    rows = [
        {path.relative_to(ground.out): path.read_bytes() for path in ground.out.rglob("*") if path.suffix in ROWS}
        for ground in (stopped, whole)
    ]
    assert rows[0]
    assert rows[0] == rows[1]


# Commands that read a version, an evaluation or a table, or look whether their models are there, before they look at
# the place: seconds, and no model is loaded.
READ_FIRST = (
    "build",
    "build-native",
    "publish",
    "apply-review",
    "export",
    "review",
    "calibrate",
    "train",
    "iterate",
)
UNUSABLE = ("unwritable folder", "file in place of its folder", "something else in its place")


@pytest.mark.parametrize("fault", UNUSABLE)
@pytest.mark.parametrize("name", [name for name, made in COMMANDS.items() if made.output and name not in READ_FIRST])
def test_an_unusable_output_is_said_before_any_input_is_read(
    fault: str, name: str, world: Path, warm_cache: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cell = TABLE[fault][name]
    monkeypatch.setenv("MPODATA_CACHE", str(warm_cache))
    ground = Ground(COMMANDS[name], world, tmp_path)
    for place in {word.strip("{}").partition("}")[0] for word in COMMANDS[name].inputs}:
        ground.given[place] = str(tmp_path / "nowhere")
    with getattr(ground, fault.replace(" ", "_"))():
        code = run(COMMANDS[name], ground.given)
    told = capsys.readouterr().err
    assert code == 2
    assert any(words in told for words in cell.words.split("|")), told


IN_A_BASE_INSTALL = """
import contextlib, io, json, sys
import mpodata.cli, mpotrain.cli
mains = {"mpodata": mpodata.cli.main, "mpotrain": mpotrain.cli.main}
results = {}
for name, (program, words) in json.load(sys.stdin).items():
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        results[name] = mains[program](words), told.getvalue()
print(json.dumps(results))
"""


@pytest.mark.flow
def test_a_base_install_does_what_it_can_and_names_the_extra_for_the_rest(world: Path, tmp_path: Path) -> None:
    row, grounds = TABLE["base install"], {}
    for name in (name for name, cell in row.items() if not cell.reason):
        (tmp_path / name).mkdir()
        grounds[name] = Ground(COMMANDS[name], world, tmp_path / name)
    lines = {name: (COMMANDS[name].program, words(COMMANDS[name], ground.given)) for name, ground in grounds.items()}
    done = subprocess.run(
        [sys.executable, "-S", "-c", IN_A_BASE_INSTALL],
        env=base_install(tmp_path / "site") | {"MPODATA_CACHE": str(tmp_path / "cache")},
        input=json.dumps(lines), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, (code, told) in json.loads(done.stdout).items():
        assert code == row[name].code, (name, told)
        assert "Traceback" not in told
        assert row[name].words in told, (name, told)
        assert_nothing_half_made(grounds[name], row[name])


def test_no_command_and_no_cell_is_missing() -> None:
    commands = {*mpodata.cli.COMMANDS, *mpotrain.cli.COMMANDS}
    assert set(COMMANDS) == commands
    for fault, row in TABLE.items():
        assert set(row) == commands, fault


def assert_nothing_half_made(ground: Ground, cell: Cell) -> None:
    if not ground.home.is_dir():
        return
    before = {ground.output()} if ground.keepsake or ground.output().is_symlink() or suffix(ground.command) else set()
    allowed = {Path(f"{ground.out}{kept}") for kept in cell.keeps} | before | {ground.home / "cache"}
    left = {path for path in ground.home.iterdir() if path not in allowed}
    assert not left, f"left behind: {sorted(path.name for path in left)}"
    assert not [path for path in ground.home.rglob("*") if path.name.endswith((".partial", ".staging", ".export"))]
