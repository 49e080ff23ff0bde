"""`mpotrain iterate`: rounds on the pocket models, fresh prompts, kill and resume, the stop, what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import mpodata
import mpodata.cli
import mpotrain.cli
from mpodata.engines.checkpoints import located
from mpodata.runtime.files import hash_file
from mpodata.runtime.journal import FIRST_BLOCK
from mpodata.versions.manifest import read_manifest
from mpotrain.training import iterate as iterate_module
from tests.mpodata.readable_version import write_readable

BUILD = "--samples 8 --languages sw --set translator={translator} --set counterweight.share=0"
TRAIN = ["--learning_rate", "4e-5", "--num_train_epochs", "1", "--global_batch_size", "8", "--max_length", "256",
         "--use_cpu", "true", "--dtype", "float32"]  # fmt: skip
LIDR = "'{name: lidr, prompts: pocket-nllb, answers: pocket-nllb}'"
ICR = "'{{name: icr, prompts: pocket-nllb, samples: 4, max_tokens: 48, reference: {reference}}}'"


def command(out, translator, *more):
    build = f"--build={BUILD.format(translator=translator)}"
    return [
        "iterate", "--rounds", "2", "--model", "pocket-chat", "--recipe", "quickstart", build, "--least", "0", *TRAIN,
        *more, "--out", str(out),
    ]  # fmt: skip


@pytest.fixture
def in_this_process(monkeypatch):
    """The steps without the cost of starting a process each; what they print goes nowhere."""
    ran = []

    def runner(words, log):
        ran.append(list(words))
        program = {"mpodata": mpodata.cli, "mpotrain": mpotrain.cli}[words[0]]
        return program.main(words[1:])

    monkeypatch.setattr(iterate_module.iterate, "__defaults__", (runner,))
    return ran


@pytest.fixture
def another_reference(tmp_path):
    """Pocket-chat with its last layer a little off: the model before preference training, for ICR's reward."""
    folder = tmp_path / "reference"
    shutil.copytree(located("pocket-chat"), folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(weights) if "layers.3" in name and "down_proj" in name)
    torch.manual_seed(0)
    weights[name] = weights[name] + 0.05 * torch.randn_like(weights[name])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def files_of(out):
    """The bytes of every version and every trained model."""
    paths = [*out.glob("round-*/version/**/*.parquet"), *out.glob("round-*/run/model.safetensors")]
    return {str(path.relative_to(out)): hash_file(path) for path in paths}


@pytest.mark.flow
def test_two_rounds_of_lidr_on_the_pocket_models(tmp_path, in_this_process, capsys):
    out = tmp_path / "lidr"
    words = command(out, LIDR)
    assert mpotrain.cli.main(words) == 0
    first, second = (read_manifest(out / "versions" / "pocket-refusals" / f"v{n}.0.0") for n in (1, 2))
    made = next(iter(second.builds.values()))
    assert made["recipe"]["parent"]["reference"] == "pocket-refusals@v1.0.0"
    assert made["recipe"]["parent"]["round"] == 2
    assert made["recipe"]["parent"]["policy"].startswith("round-1/run@files-")
    assert made["policy"]["model"] == str(out / "round-1" / "run")
    assert made["policy"]["revision"] == made["recipe"]["parent"]["policy"].partition("@")[2]
    prompts = [
        {pair.dominant.prompt for pair in mpodata.load(str(out / "versions" / "pocket-refusals" / f"v{n}.0.0")).pairs()}
        for n in (1, 2)
    ]
    assert not prompts[0] & prompts[1]  # fresh ones in every round
    assert first.version == "1.0.0"
    run = json.loads((out / "round-2" / "run" / "run.json").read_text())
    assert run["method"] == "dpo-nll"
    assert run["base_model"] == str(out / "round-1" / "run")
    page = (out / "report.md").read_text()
    assert "| round 1 | round 2 |" in page
    assert "rows in lidr.sw" in page
    ran, before = len(in_this_process), files_of(out)
    assert mpotrain.cli.main(words) == 0  # all done: nothing runs again
    assert len(in_this_process) == ran == 6
    assert files_of(out) == before
    assert "round 2: train: done before" in capsys.readouterr().out
    assert mpotrain.cli.main([*words[:-2], "--learning_rate", "1e-5", *words[-2:]]) == 2
    assert "holds an iteration with another train" in capsys.readouterr().err


@pytest.mark.flow
def test_a_round_whose_pairs_do_not_survive_is_not_trained(tmp_path, in_this_process, capsys):
    out = tmp_path / "stopped"
    words = command(out, ICR.format(reference="pocket-chat"))  # the policy itself: every reward is 0, all are ties
    words[words.index("--least") + 1] = "0.1"
    assert mpotrain.cli.main(words) == 0
    assert [line[1] for line in in_this_process] == ["build"]
    assert "Round 1 was not trained: 0.0% of the pairs survived" in capsys.readouterr().out
    record = json.loads((out / "report.json").read_text())
    assert record["stopped"].startswith("Round 1 was not trained")
    assert record["rounds"][1]["survived"] == 0
    assert "| dropped from icr.sw: " in (out / "report.md").read_text()


def test_survivors_are_harmful_pairs_in_the_target_languages(tmp_path):
    whole = write_readable(tmp_path / "version")
    assert iterate_module.survivors(whole) == 1.0
    name = next(name for name in whole.configs if name != whole.dominant)
    rest = {other: config for other, config in whole.configs.items() if other != name}
    without = replace(whole.configs[name], splits={})
    targets = len(whole.configs) - 1
    lost = replace(whole, configs={**rest, name: without})
    assert iterate_module.survivors(lost) == pytest.approx((targets - 1) / targets)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--dataset", "x"], "--dataset of a round's training is the round's own"),
        (["--method", "dop"], "Did you mean 'dpo'"),
        (["--build=--languages sw"], "Fresh prompts in every round need their number"),
        (["--build=--pairs 5"], "--pairs cannot be asked for in rounds"),
        (["--build=--model x"], "--model is each round's own policy"),
        (["--build=--out x"], "--out is no flag of a round's build"),
    ],
)
def test_what_no_round_can_use_is_refused_before_anything_is_built(tmp_path, in_this_process, capsys, change, said):
    words = ["iterate", "--model", "pocket-chat", "--recipe", "quickstart", *TRAIN, "--out", str(tmp_path / "out")]
    assert mpotrain.cli.main([*words, *change]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert in_this_process == []


# Read by every Python process of an iteration: each input that is computed, and so paid for, is a line of $PAID.
WRITES_DOWN_WHAT_IS_PAID = """
import os
from mpodata.runtime import journal

through = journal.Journal.through

def written_down(self, task, spec, inputs, compute, **options):
    def paid(part):
        keys = [journal.result_key(task, spec, value).hex() for value in part]
        with open(os.environ["PAID"], "a") as lines:
            lines.write("".join(f"{task} {key}\\n" for key in keys))
        return compute(part)
    return through(self, task, spec, inputs, paid, **options)

journal.Journal.through = written_down
"""


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["lidr", "icr"])
def test_a_killed_iteration_ends_in_the_same_bytes_and_pays_nothing_twice(tmp_path, recipe, another_reference):
    translator = LIDR if recipe == "lidr" else ICR.format(reference=another_reference)
    (tmp_path / "sitecustomize.py").write_text(WRITES_DOWN_WHAT_IS_PAID, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(Path(mpodata.__file__).parents[1])])

    def start(out, cache):
        environment = {**os.environ, "MPODATA_CACHE": str(cache), "PYTHONPATH": path, "PAID": f"{cache}.paid"}
        words = [sys.executable, "-m", "mpotrain.cli", *command(out, translator, "--reference", "start")]
        return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)

    def paid(number):
        return Counter((tmp_path / f"cache-{number}.paid").read_text().splitlines())

    out = tmp_path / "out"  # one place for both: a trained policy is named by its folder
    whole = start(out, tmp_path / "cache-1")
    assert whole.wait() == 0
    expected = files_of(out)
    assert len([name for name in expected if name.endswith("model.safetensors")]) == 2
    shutil.rmtree(out)
    for place in ("round-1/run/configuration.json", "round-2/version.work"):
        process = start(out, tmp_path / "cache-2")
        while not (out / place).exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1.0)  # the step in flight ends with it
        assert max(paid(2).values()) == 1  # what was done before the first kill was not done again
    assert start(out, tmp_path / "cache-2").wait() == 0
    assert files_of(out) == expected
    once, killed = paid(1), paid(2)
    assert max(once.values()) == 1
    assert killed.keys() == once.keys()
    assert killed.total() - once.total() <= FIRST_BLOCK  # the block that was in flight when the second build was killed
