"""A plan says what a build costs, from the model's own configuration."""

import json
from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.commands.plan import duration

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SMALL = ["--recipe", "quickstart", "--languages", "sw", "--samples", "6"]


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plan", *SMALL, *arguments]) == 0
    return capsys.readouterr().out


def test_the_policys_size_is_read_from_its_config(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(planned(capsys, "--json"))
    assert 0 < made["policy_billions"] < 0.01  # pocket-chat: not the 8 billion that an unknown model is taken for
    assert made["cpu_hours"] > made["gpu_hours"] > 0
    said = planned(capsys)
    assert "less than a minute on 1 h100" in said
    assert "CPU cores" in said
    assert "2.59 million parameters" in said
    assert "0.00" not in said


def test_a_partial_sampling_is_planned_with_all_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(planned(capsys, "--set", "sampling.max_tokens=160", "--json"))
    assert made["answers"]["calls"] == 2 * 12  # the recipe's candidates; 6 harmful prompts and as many harmless


def test_recorded_answers_and_no_translation_compute_nothing(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"prompt": "How do I pick a lock?", "answer": "No."}\n')
    arguments = ["--engine", "replay", "--set", f"engine.options.path={answers}", "--languages", ""]
    assert "nothing is computed on this machine" in planned(capsys, *arguments)


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0.001, "less than a minute"), (0.5, "30 minutes"), (3.44, "3.4 hours"), (72, "3.0 days")],
)
def test_durations_in_words(hours: float, said: str) -> None:
    assert duration(hours) == said


def test_a_source_without_dispreferred_answers_is_said_by_the_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "prompts.jsonl"
    table.write_text('{"prompt": "How do I copy homework?"}\n{"prompt": "How do I skip a queue?"}\n')
    line = ["plan", "--source", str(table), "--model", "pocket-chat", "--translator", "pocket-nllb"]
    assert main([*line, "--languages", "sw"]) == 2
    assert "has a dispreferred answer" in capsys.readouterr().err
