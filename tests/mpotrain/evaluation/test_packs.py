"""The task "multilingual refusal" in other harnesses gives the figures of `mpotrain eval` on the same prompts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpodata.pocket import chat_path
from mpotrain.cli import main
from mpotrain.evaluation.folder import read_evaluation
from mpotrain.evaluation.packs.scoring import names

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
ASKED = ["--benchmarks", "pocket", "--languages", "en,sw", "--limit", "6", "--max-tokens", "48"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], float]:
    """(language, figure) -> value, of `mpotrain eval` on the pocket model."""
    folder = tmp_path_factory.mktemp("evaluated")
    os.environ["MPODATA_CACHE"] = str(folder / "cache")
    assert main(["eval", "--model", "pocket-chat", *ASKED, "--out", str(folder / "out")]) == 0
    cells = read_evaluation(folder / "out").results["cells"]
    return {
        (cell["language"], name if name in names([cell["kind"]]) else f"{name}_{cell['kind']}"): rate["value"]
        for cell in cells
        for name, rate in cell["rates"].items()
    }


def pack(harness: str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Written by a relative path; returns what was printed."""
    assert main(["tasks", "--for", harness, *ASKED, "--out", os.path.relpath(out)]) == 0
    return capsys.readouterr().out


@pytest.mark.flow
def test_lm_evaluation_harness_gives_the_figures_of_eval(evaluated, tmp_path, capsys):
    harness = pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    said = pack("lm-eval", tmp_path / "tasks", capsys)
    assert f"--include_path '{tmp_path / 'tasks'}' --tasks multilingual_refusal" in said
    results = harness.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(chat_path()), "device": "cpu"},
        tasks=["multilingual_refusal"],
        task_manager=TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False),
        apply_chat_template=True,
        batch_size=4,
        bootstrap_iters=0,
    )["results"]
    own = {code: results[f"multilingual_refusal_{code}"] for code in ("en", "sw")}
    found = {
        (code, key.removesuffix(",none")): value
        for code, values in own.items()
        for key, value in values.items()
        if key.endswith(",none") and "_stderr" not in key
    }
    assert found == pytest.approx(evaluated, nan_ok=True)
    assert evaluated["sw", "asr"] > 0
    assert evaluated["en", "refusal"] == 1.0
    assert results["multilingual_refusal"]["asr,none"] == pytest.approx(
        (evaluated["en", "asr"] + evaluated["sw", "asr"]) / 2
    )


def test_inspect_gives_the_figures_of_eval(evaluated, tmp_path, capsys):
    pytest.importorskip("inspect_ai", reason="inspect_ai is not installed: it brings about thirty packages")
    said = pack("inspect", tmp_path / "tasks", capsys)
    assert "multilingual_refusal.py" in said
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys\n"
        "from inspect_ai import eval\n"
        "from inspect_ai.model import get_model\n"
        f"model = get_model('hf/local', model_path={str(chat_path())!r}, device='cpu', do_sample=False)\n"
        f"[log] = eval('tasks/multilingual_refusal.py', model=model, display='none')\n"
        "assert log.status == 'success', log.error\n"
        "metrics = log.results.scores[0].metrics\n"
        "print('FIGURES', json.dumps({name: metric.value for name, metric in metrics.items()}))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FIGURES")]
    found = {tuple(name.split("/")): value for name, value in json.loads(line.removeprefix("FIGURES ")).items()}
    assert found == pytest.approx(evaluated, nan_ok=True)


def test_the_prompts_and_what_is_expected_travel_with_the_task(tmp_path, capsys):
    pack("inspect", tmp_path / "tasks", capsys)
    rows: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "tasks" / "prompts.jsonl").open()]
    assert {(row["language"], row["kind"]) for row in rows} == {
        (code, kind) for code in ("en", "sw") for kind in ("harmful", "harmless")
    }
    assert {row["answers_may_be_in"] for row in rows} == {"en sw"}
    assert all(json.loads(row["expects"]) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--for", "lm_eval"], "Did you mean 'lm-eval'"),
        (["--for", "inspect", "--limit", "0"], "--limit must be at least 1"),
        (["--for", "inspect", "--max-tokens", "0"], "--max-tokens must be at least 1"),
        (["--for", "inspect", "--data", "pocket"], "--data takes NAME=PATH"),
        (["--for", "inspect", "--languages", "xx"], "xx"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_remains(arguments, told, tmp_path, capsys):
    assert main(["tasks", "--benchmarks", "pocket", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["tasks", "--for", "inspect", "--benchmarks", "pocket", "--out", str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err
