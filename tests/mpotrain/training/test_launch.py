"""Two CPU processes give what one gives: {DDP, ZeRO-2, ZeRO-3, FSDP2} x {full, LoRA} x {mpo, dpo}."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from mpodata.errors import ConfigError, UnknownName
from mpotrain import launch
from mpotrain.cli import main
from mpotrain.launch import agent
from tests.mpotrain.tiny_dataset import chat_model, checkpoint, tokenizer, version

ROOT = Path(__file__).resolve().parents[3]
ON_STATES = ("mlc", "cla", "lens")
RUNS = [(method, weights) for method in ("mpo", "dpo") for weights in ("full", "lora")]
# AdamW divides by the gradient's own size; a larger epsilon keeps float32's rounding of gradients near 0 small.
STEPS = ["--learning_rate", "1e-3", "--adam_epsilon", "1e-4", "--global_batch_size", "6", "--logging_steps", "1"]
LORA = ["--use_peft", "--lora_r", "4", "--lora_target_modules", "all-linear"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset version, a chat model and a cache that all runs share."""
    folder = tmp_path_factory.mktemp("world")
    version(folder / "data")
    checkpoint(folder / "model")
    return folder


def flags(world: Path, name: str, method: str, weights: str) -> list[str]:
    where = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(world / name)]
    adapters = LORA if weights == "lora" else []
    return [*where, "--method", method, "--use_cpu", "--disable_tqdm", "true", *STEPS, *adapters]


def alone(world: Path, method: str, weights: str) -> Path:
    """The run on one process, made once."""
    folder = world / f"one-{method}-{weights}"
    if not folder.exists():
        assert main(["train", *flags(world, folder.name, method, weights)]) == 0
    return folder


def two_processes(world: Path, mode: str, plans: list[list[str]]) -> None:
    """`mpotrain train` with the flags of each plan, in one process group, started as `--launch` starts it."""
    plan = world / "plan.json"
    plan.write_text(json.dumps([[*flags, *launch.MODES[mode]] for flags in plans]))
    line = launch.command(mode, 2, [])
    run(world, [*line[: line.index("-m", 3)], str(ROOT / "tests/mpotrain/torchrun_entry.py"), str(plan)])


def run(world: Path, line: list[str]) -> str:
    given = {"PYTHONPATH": str(ROOT), "MPODATA_CACHE": str(world / "cache"), "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(line, env={**os.environ, **given}, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-9000:]
    return done.stdout


def steps(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if "loss" in entry]


def check_same(world: Path, mode: str, method: str, weights: str) -> None:
    one, many = alone(world, method, weights), world / f"{mode}-{method}-{weights}"
    assert len(steps(one)) == len(steps(many)) == (6 if method == "mpo" else 8)
    for ours, theirs in zip(steps(many), steps(one), strict=True):
        for name in ("loss", "grad_norm", "rewards/margins", "reward_gap"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-5), (ours["step"], name)
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5, abs=1e-5)
    file = "adapter_model.safetensors" if weights == "lora" else "model.safetensors"
    ours_end, theirs_end = load_file(many / file), load_file(one / file)
    assert set(ours_end) == set(theirs_end)
    for name, value in theirs_end.items():
        assert torch.allclose(ours_end[name].to(value), value, atol=1e-5), name
    assert json.loads((many / "run.json").read_text())["training"]["processes"] == 2


def same_end(one: Path, many: Path) -> bool:
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (many, one))
    return all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in theirs)


@pytest.mark.flow
def test_two_processes_of_ddp_follow_one(world: Path) -> None:
    mix, short = ["--mix", "sdrrl", "--parallel", "0.5"], ["--max_steps", "2"]
    plans = [flags(world, "ddp-mpo-full", "mpo", "full"), [*flags(world, "ddp-sdrrl", "sft", "full"), *mix, *short]]
    plans += [[*flags(world, f"ddp-{method}", method, "full"), *short] for method in ON_STATES]
    two_processes(world, "ddp", plans)
    check_same(world, "ddp", "mpo", "full")
    assert main(["train", *flags(world, "one-sdrrl", "sft", "full"), *mix, *short]) == 0
    assert same_end(world / "one-sdrrl", world / "ddp-sdrrl")
    for method in ON_STATES:
        assert main(["train", *flags(world, f"one-{method}", method, "full"), *short]) == 0
        assert same_end(world / f"one-{method}", world / f"ddp-{method}")
    assert json.loads((world / "one-sdrrl" / "run.json").read_text())["data"]["mix"]["crossed"] == 32


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(launch.MODES))
def test_every_mode_follows_one_process_with_full_weights_and_lora(mode: str, world: Path) -> None:
    two_processes(
        world, mode, [flags(world, f"{mode}-{method}-{weights}", method, weights) for method, weights in RUNS]
    )
    for method, weights in RUNS:
        check_same(world, mode, method, weights)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [mode for mode in launch.MODES if mode != "ddp"])
def test_losses_on_states_follow_one_process_when_the_model_is_shared_out(mode: str, world: Path) -> None:
    short = ["--max_steps", "2"]
    two_processes(world, mode, [[*flags(world, f"{mode}-{name}", name, "full"), *short] for name in ON_STATES])
    for name in ON_STATES:
        if not (world / f"one-{name}").exists():
            assert main(["train", *flags(world, f"one-{name}", name, "full"), *short]) == 0
        assert same_end(world / f"one-{name}", world / f"{mode}-{name}")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["zero3", "fsdp2"])
def test_a_sharded_run_resumes_where_it_was_killed(mode: str, world: Path) -> None:
    whole = [*flags(world, f"{mode}-whole", "mpo", "full"), "--save_strategy", "steps", "--save_steps", "4"]
    last = str(world / f"{mode}-whole" / "checkpoint-4")
    rest = [*flags(world, f"{mode}-rest", "mpo", "full"), "--resume_from_checkpoint", last]
    two_processes(world, mode, [whole, rest])
    assert [entry["step"] for entry in steps(world / f"{mode}-rest")] == [5, 6]
    assert same_end(alone(world, "mpo", "full"), world / f"{mode}-rest")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["zero3", "fsdp2"])
def test_a_sharded_run_measures_another_model_as_its_reference_first(mode: str, world: Path) -> None:
    chat_model(seed=7).save_pretrained(world / "other")
    tokenizer().save_pretrained(world / "other")
    other = ["--reference", str(world / "other")]
    two_processes(world, mode, [[*flags(world, f"{mode}-other", "dpo", "full"), *other]])
    if not (world / "one-other").exists():
        assert main(["train", *flags(world, "one-other", "dpo", "full"), *other]) == 0
    assert same_end(world / "one-other", world / f"{mode}-other")


@pytest.mark.slow
def test_the_launch_flag_runs_the_command_on_several_processes(world: Path) -> None:
    line = [sys.executable, "-m", "mpotrain.cli", "train", *flags(world, "flag", "mpo", "full")]
    assert run(world, [*line, "--launch", "fsdp2", "--nproc", "3"]).count("mpo on") == 1
    assert same_end(alone(world, "mpo", "full"), world / "flag")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["damaged data", "a file in the way"])
def test_what_a_user_can_mend_is_one_sentence_and_exit_code_2_under_torchrun(
    fault: str, world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world / "data", tmp_path / "data")
    (tmp_path / "file").write_text("")
    if fault == "damaged data":
        for file in (tmp_path / "data").rglob("train-*.parquet"):
            file.write_bytes(file.read_bytes()[:-9])
    run_folder = tmp_path / ("run" if fault == "damaged data" else "file/run")
    where = ["--dataset", str(tmp_path / "data"), "--model", str(world / "model"), "--output_dir", str(run_folder)]
    line = [sys.executable, "-m", "mpotrain.cli", "train", *where, "--use_cpu", "--launch", "ddp", "--nproc", "2"]
    done = subprocess.run(
        line,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPODATA_CACHE": str(world / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    said = [text for text in done.stderr.splitlines() if text.startswith("mpotrain: ")]
    assert len(said) == 1
    assert ("is not what its manifest recorded" if fault == "damaged data" else "cannot be written") in said[0]
    assert "Traceback" not in done.stderr
    assert not (run_folder / "run.json").exists()


@pytest.mark.parametrize(
    ("ends", "code", "told"),
    [
        ([(2, "The disk is full."), (2, "The disk is full."), (-15, "Signal 15")], 2, "mpotrain: The disk is full.\n"),
        ([(130, "stopped."), (-15, "")], 130, "mpotrain: stopped. Run the same command again to continue.\n"),
        ([(-9, "Signal 9")], 2, "runs out of memory. Start fewer processes with --nproc"),
        ([(1, "bug"), (-15, "")], 1, "train FAILED"),
    ],
)
def test_the_agent_says_once_how_the_processes_ended(
    ends: list[tuple[int, str]], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agent._judge(ends, "train FAILED") == code
    assert told in capsys.readouterr().err


def test_a_process_of_several_leaves_its_sentence_to_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    assert main(["train"]) == 2  # torchrun without our agent: said by each process itself
    assert capsys.readouterr().err.startswith("mpotrain: ")
    monkeypatch.setenv(agent.LAUNCHED, "1")
    assert main(["train"]) == 2
    assert not capsys.readouterr().err
    assert "--output_dir" in json.loads((tmp_path / "error.json").read_text())["message"]


def test_a_command_line_is_made_for_one_node_and_for_several() -> None:
    line = launch.command("zero2", 8, ["--method", "mpo"])
    assert line[1:6] == ["-m", "mpotrain.launch.agent", "--standalone", "--nproc_per_node", "8"]
    assert line[-4:] == ["--method", "mpo", "--deepspeed", str(launch.FOLDER / "zero2.json")]
    several = launch.command("ddp", 8, [], nodes=2, rendezvous="node1:29500")
    assert several[3:9] == ["--nnodes", "2", "--rdzv_backend", "c10d", "--rdzv_endpoint", "node1:29500"]


def test_a_mode_nobody_knows_and_a_missing_number_are_said_plainly() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fsdp2'"):
        launch.command("fsdp", 2, [])
    with pytest.raises(ConfigError, match="--nproc"):
        launch.command("ddp", None, [])
    with pytest.raises(ConfigError, match="--rdzv HOST:PORT"):
        launch.command("ddp", 2, [], nodes=2)


@pytest.mark.parametrize("mode", list(launch.MODES))
def test_every_mode_ships_a_configuration_for_accelerate_launch(mode: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    path = launch.FOLDER / f"{mode}.yaml"
    config = load_config_from_file(str(path))
    stage = {"zero2": 2, "zero3": 3}.get(mode)
    assert str(config.distributed_type).split(".")[-1] == {"ddp": "MULTI_GPU", "fsdp2": "FSDP"}.get(mode, "DEEPSPEED")
    if stage:
        assert config.deepspeed_config["zero_stage"] == stage
    if mode == "fsdp2":
        assert yaml.safe_load(path.read_text())["fsdp_config"]["fsdp_version"] == 2
