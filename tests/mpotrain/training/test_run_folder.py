"""A run's folder belongs to one configuration: the same command goes on or says it is done, another is refused."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mpodata.errors import ConfigError
from mpotrain.cli import main
from mpotrain.runs import read_metrics
from mpotrain.training import checkpoints, saving
from mpotrain.training.trainer import MPOTrainer
from tests.mpotrain.tiny_dataset import checkpoint, version

EVERY_STEP = ["--save_strategy", "steps", "--save_steps", "1"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    version(folder / "data")
    version(folder / "more-data", count=11)
    checkpoint(folder / "model")
    return folder


def flags(world: Path, run: Path, *more: str) -> list[str]:
    where = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(run)]
    steps = ["--learning_rate", "1e-3", "--logging_steps", "1", "--global_batch_size", "4"]
    return ["train", *where, "--use_cpu", "--disable_tqdm", "true", *steps, *more]


@pytest.fixture(scope="module")
def whole(world: Path, cache_of_module: None) -> Path:
    """An uninterrupted run of eight steps with a checkpoint after each."""
    assert main(flags(world, world / "whole", *EVERY_STEP)) == 0
    return world / "whole"


@pytest.fixture(scope="module")
def cache_of_module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The reference's measurements, kept over the tests of this file as a user's cache is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPODATA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield os.environ["MPODATA_CACHE"]


@pytest.fixture(autouse=True)
def _same_cache(cache: Path, cache_of_module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPODATA_CACHE", cache_of_module)


@pytest.fixture
def unfinished(whole: Path, tmp_path: Path) -> Path:
    """The same run as it was after step 5, killed."""
    return killed_after(whole, 5, tmp_path / "run")


def killed_after(whole: Path, step: int, folder: Path) -> Path:
    shutil.copytree(whole, folder)
    for name in ("run.json", "README.md", "model.safetensors", "config.json"):
        (folder / name).unlink()
    for later in checkpoints.checkpoints(folder):
        if (checkpoints.step_of(later) or 0) > step:
            shutil.rmtree(later)
    return folder


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


def steps(folder: Path) -> list[int]:
    return [entry["step"] for entry in read_metrics(folder) if "loss" in entry]


def test_the_same_command_goes_on_from_the_newest_checkpoint_to_the_same_weights(
    world: Path, whole: Path, unfinished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(flags(world, unfinished, *EVERY_STEP)) == 0
    assert "Going on from" in caplog.text
    assert "checkpoint-5" in caplog.text
    assert same_weights(unfinished, whole)
    assert steps(unfinished) == list(range(1, 9))


def test_a_finished_run_is_left_as_it_is_and_says_so(
    world: Path, whole: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.safetensors")}
    monkeypatch.setattr(MPOTrainer, "train", None)
    for more in ([], ["--resume_from_checkpoint", "last"], ["--per_device_train_batch_size", "2"]):
        assert main(flags(world, whole, *EVERY_STEP, *more)) == 0
        assert "is a finished run of this configuration: nothing is trained again" in caplog.text
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*.safetensors")}


@pytest.mark.parametrize("state", ["finished", "unfinished"])
@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--beta", "2.0"], "beta 1.0 (now 2.0)"),
        (["--method", "dpo"], "method mpo (now dpo)"),
        (["--languages", "sw"], "languages None (now ['sw'])"),
        (["--learning_rate", "2e-3"], "learning_rate 0.001 (now 0.002)"),
        (["--num_train_epochs", "3"], "num_train_epochs 2.0 (now 3.0)"),
        (["--seed", "1"], "seed 42 (now 1)"),
        (["--pairs_per_language", "3"], "pairs_per_language None (now 3)"),
        (["--use_peft"], "use_peft False (now True)"),
        (["--gap", "1.58"], "gap dominant (now 1.58)"),
    ],
)
def test_another_command_is_refused_by_what_differs(
    more: list[str], named: str, state: str, world: Path, whole: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = whole if state == "finished" else killed_after(whole, 3, tmp_path / "run")
    assert main(flags(world, folder, *EVERY_STEP, *more)) == 2
    error = capsys.readouterr().err
    assert f"{folder} holds a run with" in error
    assert named in error
    assert error.count("\n") == 1


def test_another_commit_of_the_data_is_refused(
    world: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["--dataset", str(world / "more-data")]
    assert main(flags(world, whole, *other)) == 2
    assert f"dataset {world / 'data'} (now {world / 'more-data'})" in capsys.readouterr().err
    moved = tmp_path / "data"
    shutil.copytree(world / "data", moved)
    assert main(flags(world, whole, "--dataset", str(moved))) == 0  # the same rows elsewhere are the same rows


def test_another_model_is_refused(world: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(world / "model", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "generation_config.json").read_text())
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps(config | {"temperature": 0.5}))
    assert main(flags(world, whole, "--model", str(tmp_path / "model"))) == 2
    assert f"model_name_or_path {world / 'model'} (now {tmp_path / 'model'})" in capsys.readouterr().err


Damage = Callable[[Path], Any]
DAMAGES: dict[str, Damage] = {
    "no optimizer": lambda path: (path / "optimizer.pt").unlink(),
    "no scheduler": lambda path: (path / "scheduler.pt").unlink(),
    "no random state": lambda path: (path / "rng_state.pth").unlink(),
    "no mark": lambda path: (path / "complete.json").unlink(),
    "half a mark": lambda path: (path / "complete.json").write_text('{"files": {"optim'),
    "half the weights": lambda path: os.truncate(path / "model.safetensors", 2000),
    "an empty state": lambda path: (path / "trainer_state.json").write_text(""),
    "a flipped byte": lambda path: flip(path / "optimizer.pt", 3000),
}


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_not_whole_does_not_count(
    damage: str, world: Path, whole: Path, unfinished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES[damage](unfinished / "checkpoint-5")
    assert main(flags(world, unfinished, *EVERY_STEP)) == 0
    assert "checkpoint-4" in caplog.text
    assert same_weights(unfinished, whole)
    assert checkpoints.is_complete(unfinished / "checkpoint-5")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_that_is_asked_for_is_refused(
    damage: str, world: Path, unfinished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = unfinished / "checkpoint-5"
    DAMAGES[damage](path)
    assert main(flags(world, unfinished, "--resume_from_checkpoint", str(path))) == 2
    assert f"{path} is not a whole checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_the_last_step_trains_no_step_more(world: Path, whole: Path, tmp_path: Path) -> None:
    folder = killed_after(whole, 8, tmp_path / "run")
    assert main(flags(world, folder, *EVERY_STEP)) == 0
    assert same_weights(folder, whole)
    assert json.loads((folder / "run.json").read_text())["training"]["steps"] == 8


def test_half_a_line_of_metrics_is_passed_over_and_mended(world: Path, whole: Path, unfinished: Path) -> None:
    metrics = unfinished / "metrics.jsonl"
    lines = metrics.read_text().splitlines()
    metrics.write_text("\n".join(lines[:5]) + '\n{"step": 6, "lo')
    assert main(flags(world, unfinished, *EVERY_STEP)) == 0
    assert steps(unfinished) == list(range(1, 9))
    assert all(json.loads(line) for line in metrics.read_text().splitlines())


def test_checkpoints_that_only_guard_against_a_kill_are_removed_at_the_end(world: Path, tmp_path: Path) -> None:
    written = []
    mark = checkpoints.mark_complete

    def marked(path: Path, **options: Any) -> None:
        written.append(path.name)
        mark(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "mark_complete", marked)
        patch.setattr(saving, "SAVING_SHARE", 0)
        assert main(flags(world, tmp_path / "run", "--save_minutes", "1e-9")) == 0
    assert written == [f"checkpoint-{step}" for step in range(1, 8)]
    assert not checkpoints.checkpoints(tmp_path / "run")


def test_a_run_writes_checkpoints_every_ten_minutes_unless_told_otherwise(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1_000_000, 300))  # five minutes pass between two looks at the clock
    monkeypatch.setattr("mpotrain.training.saving.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("mpotrain.training.run.finish", lambda *args: None)
    assert main(flags(world, tmp_path / "run")) == 0
    assert [path.name for path in checkpoints.checkpoints(tmp_path / "run")]


def test_ctrl_c_saves_and_the_same_command_goes_on(
    world: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = MPOTrainer.training_step

    def interrupted(self: MPOTrainer, *args: Any, **options: Any) -> Any:
        if self.state.global_step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args, **options)

    monkeypatch.setattr(MPOTrainer, "training_step", interrupted)
    assert main(flags(world, tmp_path / "run")) == 130
    assert "Run the same command again to continue." in capsys.readouterr().err
    assert [path.name for path in checkpoints.checkpoints(tmp_path / "run")] == ["checkpoint-4"]
    assert not (tmp_path / "run" / "run.json").exists()
    monkeypatch.setattr(MPOTrainer, "training_step", step)
    assert main(flags(world, tmp_path / "run")) == 0
    assert same_weights(tmp_path / "run", whole)
    assert steps(tmp_path / "run") == list(range(1, 9))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_at_once_with_step_and_language(
    value: float, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = MPOTrainer._outcome

    def broken(self: MPOTrainer, model: Any, objective: Any, inputs: Any) -> Any:
        found = outcome(self, model, objective, inputs)
        if self.state.global_step == 2:
            found.losses[[row.language == "sw" for row in inputs.rows]] *= value
        return found

    monkeypatch.setattr(MPOTrainer, "_outcome", broken)
    assert main(flags(world, tmp_path / "run", *EVERY_STEP)) == 2
    error = capsys.readouterr().err
    assert f"The loss is {value} at step 3, in rows of language sw." in error
    run = tmp_path / "run"
    assert [path.name for path in checkpoints.checkpoints(run)] == ["checkpoint-1", "checkpoint-2"]
    assert not (run / "run.json").exists()
    assert not (run / "model.safetensors").exists()


def test_a_gradient_that_is_not_finite_stops_before_the_weights_do(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = MPOTrainer.training_step

    def broken(self: MPOTrainer, model: Any, *args: Any, **options: Any) -> Any:
        loss = step(self, model, *args, **options)
        if self.state.global_step == 1:
            next(model.parameters()).grad[0, 0] = float("nan")
        return loss

    monkeypatch.setattr(MPOTrainer, "training_step", broken)
    assert main(flags(world, tmp_path / "run", *EVERY_STEP)) == 2
    assert "The gradient is nan at step 2, though the loss is finite." in capsys.readouterr().err
    saved = load_file(tmp_path / "run" / "checkpoint-1" / "model.safetensors")
    assert all(weights.isfinite().all() for weights in saved.values())


def test_two_processes_do_not_train_in_one_folder(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mpotrain.training.folder import locked

    with locked(tmp_path / "run"):
        assert main(flags(world, tmp_path / "run")) == 2
    assert "Another process is training in" in capsys.readouterr().err


def test_a_mistake_before_the_first_step_leaves_the_folder_free(world: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(flags(world, run, "--languages", "ko")) == 2
    assert main(flags(world, run, "--load_in_4bit")) == 2
    assert main(flags(world, run, "--max_steps", "1")) == 0


def test_a_model_that_is_no_run_is_not_overwritten(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(world / "model", tmp_path / "model")
    assert main(flags(world, tmp_path / "model")) == 2
    assert "holds a model (config.json) that is no run's" in capsys.readouterr().err


def test_a_run_folder_of_an_earlier_release_is_known_by_its_run_json(
    world: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    shutil.copytree(whole, old)
    (old / "configuration.json").unlink()
    assert main(flags(world, old)) == 0
    assert main(flags(world, old, "--beta", "2.0")) == 2
    assert "beta 1.0 (now 2.0)" in capsys.readouterr().err


def test_checkpoints_of_an_earlier_release_go_on_where_they_are_asked_for(
    world: Path, whole: Path, unfinished: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (unfinished / "configuration.json").unlink()
    for path in checkpoints.checkpoints(unfinished):
        (path / "complete.json").unlink()
    os.truncate(unfinished / "checkpoint-5" / "optimizer.pt", 2000)
    assert main(flags(world, unfinished, *EVERY_STEP)) == 2
    assert "add --resume_from_checkpoint last to go on with it" in capsys.readouterr().err
    assert main(flags(world, unfinished, *EVERY_STEP, "--resume_from_checkpoint", "last")) == 0
    assert "checkpoint-4" in caplog.text
    assert same_weights(unfinished, whole)


def test_a_file_in_the_way_of_the_folder_is_one_sentence(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        assert main(flags(world, place)) == 2
        assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("size", [1_000, 30_000, 200_000])
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(
    size: int, world: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    run, (soft, hard) = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # writing stops as on a full disk
    os.environ["MPODATA_CACHE"] = str(tmp_path / "no-cache")
    try:
        code = main(flags(world, run, *EVERY_STEP))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    error = capsys.readouterr().err
    assert code == 2, error
    assert "Traceback" not in error
    assert main(flags(world, run, *EVERY_STEP)) == 0
    assert same_weights(run, whole)


def test_the_lock_cannot_be_a_link_to_somewhere_else(world: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "elsewhere")
    from mpotrain.training.folder import locked

    with pytest.raises(ConfigError, match="cannot be written"), locked(tmp_path / "run"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_generation_stops_where_training_taught_answers_to_end(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "model", tmp_path / "model")
    for name, value in (("config", 1), ("generation_config", 1), ("tokenizer_config", "<|pad|>")):
        place = tmp_path / "model" / f"{name}.json"
        member = "eos_token" if name == "tokenizer_config" else "eos_token_id"
        place.write_text(json.dumps(json.loads(place.read_text()) | {member: value}))
    run = tmp_path / "run"
    assert main(flags(world, run, "--model", str(tmp_path / "model"), "--max_steps", "1")) == 0
    assert json.loads((run / "generation_config.json").read_text())["eos_token_id"] == [1, 4]  # 4 is <|end|>
