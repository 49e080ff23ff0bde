"""Every engine a user can name builds a pocket dataset, through the command line, and a plan says what it will do."""

import json
from pathlib import Path

import pytest

import mpodata
from mpodata.cli import main
from mpodata.engines import ENGINES
from mpodata.pocket import prompts_path
from tests.fakes.openai import ChatServer, Reply, completion

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

REFUSAL = "Sorry, I can't help with this request."
SMALL = ["--recipe", "quickstart", "--languages", "sw", "--samples", "6", "--set", "counterweight.share=0"]
VLLM_ON_A_CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
ONE_ANSWER = ["--set", "sampling.candidates=1", "--set", "sampling.temperature=0"]


def prompts() -> list[str]:
    rows = [json.loads(line) for line in prompts_path().read_text(encoding="utf-8").splitlines()]
    return [row["prompt"] for row in rows if row["category"] == "harmful"]


def chosen_answers(out: Path) -> list[str]:
    version = mpodata.load(str(out))
    return [pair.dominant.chosen for split in version.splits() for pair in version.pairs(split)]


def test_recorded_answers_build(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"prompt": prompt, "answer": REFUSAL}) + "\n" for prompt in prompts()))
    engine = ["--engine", "replay", "--set", f"engine.options.path={answers}", "--set", "model=null"]
    assert main(["build", *SMALL, *ONE_ANSWER, *engine, "--out", str(tmp_path / "out")]) == 0
    assert chosen_answers(tmp_path / "out") == [REFUSAL] * 6


def test_a_server_builds_and_what_it_failed_to_answer_is_asked_again_by_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-key")
    script = {prompt: [Reply(body=completion(REFUSAL))] * 9 for prompt in prompts()}
    unlucky = prompts()[0]
    with ChatServer(script) as server:
        server.script = {p: ([Reply(429)] if p == unlucky else []) + list(r) for p, r in script.items()}
        engine = ["--engine", "openai", "--set", f"engine.options.base_url={server.url}", "--model", "m"]
        command = ["build", *SMALL, *ONE_ANSWER, *engine, "--out", str(tmp_path / "out")]
        assert main([*command, "--set", "engine.options.first_pause=0.01"]) == 0
    assert chosen_answers(tmp_path / "out") == [REFUSAL] * 6
    assert "a-secret-key" not in capsys.readouterr().out
    assert not any(b"a-secret-key" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore")  # vLLM's own
def test_vllm_builds_with_the_answers_of_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VLLM_ON_A_CPU.items():
        monkeypatch.setenv(name, value)
    eager = ["--set", "engine.options.enforce_eager=true", "--set", "engine.options.max_model_len=256"]
    for engine, options in (("transformers", []), ("vllm", eager)):
        options = ["--set", "engine.options.dtype=float32", *options]
        assert main(["build", *SMALL, *ONE_ANSWER, "--engine", engine, *options, "--out", str(tmp_path / engine)]) == 0
    assert chosen_answers(tmp_path / "vllm") == chosen_answers(tmp_path / "transformers")


def test_every_engine_has_its_test_here() -> None:
    assert set(ENGINES) == {"replay", "openai", "vllm", "transformers"}  # transformers: test_build.py


def test_a_plan_tells_what_is_in_the_journal_before_and_after_a_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = []
    for _ in range(2):
        assert main(["plan", *SMALL, "--json"]) == 0
        plans.append(json.loads(capsys.readouterr().out))
        assert main(["build", *SMALL, "--out", str(tmp_path / "out")]) == 0
        capsys.readouterr()
    before, after = plans
    assert (before["rows"], before["answers"]["cached"], before["translations"]["sw"]["cached"]) == (6, 0, 0)
    assert after["answers"]["cached"] == after["answers"]["calls"]
    assert after["translations"]["sw"]["cached"] > 0
    assert before["gpu_hours"] > after["gpu_hours"]
    assert before["licence"] == "apache-2.0"
