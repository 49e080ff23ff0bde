"""The commands on a device, with the pocket models: does every one end well, and do runs that must agree agree?"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

import mpodata.cli
import mpotrain.cli
from gpu.checks import Check

LORA = ("--use_peft", "--lora_r", "8", "--lora_target_modules", "all-linear")
STEPS = 4
SAME_WEIGHTS = 1e-5  # largest difference of a weight; steps move it by up to 4e-5 each


class Desk:
    """A folder with a dataset version, in which commands are run."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self.cpu = ("--use_cpu",) if device == "cpu" else ()

    def call(self, name: str, package: str, *words: str) -> Check:
        """A command in this process."""
        main = mpodata.cli.main if package == "mpodata" else mpotrain.cli.main
        began, said = time.perf_counter(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main([str(word) for word in words])
        if status:
            print(said.getvalue()[-2000:], file=sys.stderr)
        return Check("commands", f"{name}: exit status ({time.perf_counter() - began:.0f} s)", status, limit=0)

    def train(self, name: str, *more: str, preset: str = "pocket") -> Check:
        return self.call(f"train {name}", "mpotrain", *self._train(name, more, preset))

    def launched(self, name: str, *more: str) -> Check:
        """`mpotrain train` in processes of its own, as --launch starts them."""
        line = [sys.executable, "-m", "mpotrain.cli", *self._train(name, more, "pocket")]
        done = subprocess.run(line, capture_output=True, text=True, env=os.environ)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
        return Check("commands", f"train {name}: exit status", done.returncode, limit=0)

    def _train(self, name: str, more: Sequence[str], preset: str) -> list[str]:
        where = ["--dataset", str(self.folder / "data"), "--output_dir", str(self.folder / name)]
        usual = ["--max_steps", str(STEPS), "--global_batch_size", "8", "--disable_tqdm", "true"]
        return ["train", "--preset", preset, *where, *usual, *self.cpu, *more]

    def difference(self, one: str, other: str, limit: float = SAME_WEIGHTS) -> Check:
        """The largest difference between two runs' weights."""
        ours, theirs = (load_file(self.folder / run / "model.safetensors") for run in (one, other))
        worst = max(float((ours[name].float() - theirs[name].float()).abs().max()) for name in ours)
        return Check("commands", f"{one} and {other}: largest difference of a weight", worst, limit=limit)


def run(device: str) -> Iterator[Check]:
    """Build, train in every way, measure; in a temporary folder."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MPODATA_CACHE"] = str(Path(scratch) / "cache")
        yield from _run(Desk(Path(scratch), device), device)


def _run(desk: Desk, device: str) -> Iterator[Check]:
    data, engine = str(desk.folder / "data"), f"engine.options.device={device}"
    build = ("build", "--recipe", "quickstart", "--samples", "24", "--languages", "sw,zh", "--set", engine)
    yield desk.call("build", "mpodata", *build, "--out", data)
    keep = ("--save_strategy", "steps", "--save_steps", str(STEPS // 2))
    yield desk.train("mpo", *keep)
    yield desk.train("mpo-padded", "--pad", "true")
    yield desk.difference("mpo", "mpo-padded")
    half = str(desk.folder / "mpo" / f"checkpoint-{STEPS // 2}")
    yield desk.train("mpo-resumed", *keep, "--resume_from_checkpoint", half)
    yield desk.difference("mpo", "mpo-resumed")
    yield desk.train("dpo", "--method", "dpo")
    yield desk.train("mpo-lora", *LORA)
    yield desk.train("dpo-lora", "--method", "dpo", *LORA)
    yield desk.train("mpo-bf16-weights", "--bf16_weights", "true", "--max_grad_norm", "0")
    yield desk.launched("mpo-fsdp2", "--launch", "fsdp2", "--nproc", "1")
    yield desk.difference("mpo", "mpo-fsdp2")
    out = desk.folder / "gap.json"
    yield desk.call("gap", "mpotrain", "gap", "--dataset", data, "--model", str(desk.folder / "mpo"), "--out", str(out))
    gaps = json.loads(out.read_text())["languages"]
    finite = sum(bool(torch.isfinite(torch.tensor(gap["per_token"]["value"]))) for gap in gaps.values())
    yield Check("commands", "gap: languages with a finite gap", finite, limit=3, goal=">=")
    asked = ("--benchmarks", "pocket", "--languages", "en,sw", "--limit", "8", "--max-tokens", "32")
    run_folder, results = str(desk.folder / "mpo"), desk.folder / "evaluation"
    place = ("--set", f"engine.device={device}", "--out", str(results))
    yield desk.call("eval", "mpotrain", "eval", "--run", run_folder, *asked, *place)
    cells = json.loads((results / "results.json").read_text())["cells"]
    yield Check("commands", "eval: answers", sum(cell["answers"] for cell in cells), limit=32, goal=">=")
