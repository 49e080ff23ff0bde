"""A plan says what a build costs, from the model's own configuration."""

import json
from datetime import date
from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.commands.plan import duration
from mpodata.translators import TRANSLATORS
from mpodata.translators.prices import prices

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


def test_a_paid_translators_list_price_times_the_characters_to_send_is_the_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--translator", "google-cloud", "--languages", "sw,ru"]
    made = json.loads(planned(capsys, *arguments, "--json"))
    characters = sum(work["characters"] for work in made["translations"].values())
    assert made["translations"]["sw"]["characters"] == made["translations"]["ru"]["characters"] > 500
    assert made["cost"] == pytest.approx(characters * made["price"]["per_million"] / 1e6)
    said = planned(capsys, *arguments)
    assert f"cost        about {made['cost']:.2f} USD for {characters:,} characters" in said
    assert made["price"]["read"] in said


def test_what_runs_here_costs_nothing_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(planned(capsys, "--json"))["cost"] is None
    assert "cost " not in planned(capsys)


def test_every_price_has_a_source_and_a_day() -> None:
    assert set(prices()) < set(TRANSLATORS)
    for price in prices().values():
        assert price.source.startswith("https://")
        assert date.fromisoformat(price.read) <= date.today()
        assert price.of(2_000_000) == 2 * price.per_million


def test_the_plan_calls_nothing_commercial_that_a_part_forbids(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    free = planned(capsys)
    assert "commercial  yes" in free
    assert "mpodata publish --commercial-only would publish it" in free
    assert json.loads(planned(capsys, "--json"))["commercial"] is True
    said = planned(capsys, "--translator", "google-cloud")
    assert "commercial  cannot be said: translator is other, which nobody can judge by its name" in said
    assert "mpodata publish --commercial-only would refuse it" in said
    table = tmp_path / "prompts.jsonl"
    table.write_text('{"prompt": "How do I copy homework?", "rejected": "Sit behind somebody who is good at it."}\n')
    source = ["--source", str(table), "--set", "source.options.licence=cc-by-nc-4.0", "--languages", "sw"]
    assert main(["plan", *source, "--model", "pocket-chat", "--translator", "pocket-nllb"]) == 0
    assert "commercial  no: source is cc-by-nc-4.0" in capsys.readouterr().out


def test_a_language_that_the_translator_lacks_is_said_by_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "--languages", "yo"]) == 2
    assert "pocket-nllb does not know the language 'yo' (yor_Latn)." in capsys.readouterr().err
