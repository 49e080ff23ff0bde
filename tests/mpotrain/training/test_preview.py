"""What the commands around training print and write: preview, gap, sweep, card, and the sentences for mistakes."""

import json
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from mpodata.errors import ConfigError
from mpotrain.cli import main
from mpotrain.config import parse
from mpotrain.runs import read_run
from mpotrain.training import memory, sweep
from mpotrain.training.card import render_card
from mpotrain.training.memory import GIB, need
from tests.mpotrain.tiny_dataset import checkpoint, side, version


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    version(folder / "data")
    checkpoint(folder / "model")
    checkpoint(folder / "untemplated", template=None)
    return folder


def flags(world: Path, *more: str) -> list[str]:
    where = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(world / "run")]
    return [*where, "--use_cpu", "--disable_tqdm", "true", "--learning_rate", "1e-3", "--logging_steps", "1", *more]


@pytest.fixture(scope="module")
def run(world: Path) -> Path:
    assert main(["train", *flags(world)]) == 0
    return world / "run"


def test_a_run_leaves_a_model_what_made_it_and_a_card(run: Path) -> None:
    from transformers import AutoModelForCausalLM

    record = read_run(run)
    assert record["method"] == "mpo"
    assert record["data"]["commit"]
    assert record["data"]["languages"] == ["sw", "zh"]
    assert record["data"]["translator"] == "google"
    assert record["hyper_parameters"] == {"beta": 1.0}
    assert record["training"]["steps"] == 4
    assert len([line for line in (run / "metrics.jsonl").read_text().splitlines() if "reward_gap" in line]) == 4
    assert AutoModelForCausalLM.from_pretrained(run).config.vocab_size == 400
    assert not (run / "training_args.bin").exists()


def test_figures_reach_the_reporters(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(world / "board"))
    out = ["--output_dir", str(world / "reported"), "--max_steps", "1", "--report_to", "tensorboard"]
    assert main(["train", *flags(world), *out]) == 0
    (events,) = (world / "board").rglob("events.out.tfevents.*")
    assert b"rewards/margins/sw" in events.read_bytes()


def test_the_card_names_data_method_and_results(run: Path) -> None:
    card = (run / "README.md").read_text()
    record = read_run(run)
    front = yaml.safe_load(card.split("---")[1])
    assert front["language"] == ["en", "sw", "zh"]
    assert front["library_name"] == "transformers"
    for fact in (record["data"]["commit"], record["data"]["reference"], "mpo, beta 1.0", "Mixed Preference", "Swahili"):
        assert fact in card
    assert card.count("| sw | ") == 1
    assert "{{" not in card.replace("{{MPO}", "")


def test_what_comes_from_outside_cannot_leave_its_place_on_the_model_card(run: Path) -> None:
    """Names of folders, models and translators are whatever their owners call them."""
    record = read_run(run)
    hostile = "x`|\n# Pwned <script>alert(1)</script> [a](javascript:b) {{ boom }} ```\n"
    record["base_model"] = f"/models/{hostile}"
    record["data"] |= {"reference": hostile, "commit": hostile, "translator": hostile, "version": hostile}
    record["data"]["dropped"] = {hostile: {"sw": 1}}
    record["command"] = hostile
    record["switches"]["gap"] = hostile
    body = render_card(record, []).split("\n---\n", 1)[1]
    page = MarkdownIt("commonmark").enable("table").render(body)
    for mark in ("<script", "<h1>Pwned", 'href="javascript'):
        assert mark not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert {row.count("<td>") for row in page.split("<tr>")[1:]} - {0} <= {2, 3}
    assert page.count("<pre>") == 2  # the command and the citation


def test_the_card_of_hub_data_and_a_hub_model_links_both(run: Path) -> None:
    record = read_run(run)
    record["data"] |= {"name": "user/refusals", "version": "1.2.0", "reference": "user/refusals@v1.2.0"}
    record |= {"base_model": "meta-llama/Llama-3.1-8B-Instruct", "adapter": True}
    record["switches"]["nll_weight"] = 0.2
    card = render_card(record, [])
    front = yaml.safe_load(card.split("---")[1])
    assert front["datasets"] == ["user/refusals"]
    assert (front["base_model"], front["base_model_relation"]) == (record["base_model"], "adapter")
    assert "user/refusals@v1.2.0" in card
    assert "Not in the method's paper: a likelihood term on the chosen answers." in card


def test_the_card_says_what_ran_and_links_no_local_base(run: Path) -> None:
    card = (run / "README.md").read_text()
    record = read_run(run)
    assert (record["training"]["epochs_run"], record["training"]["warmup_steps_run"]) == (2.0, 1)  # a tenth of 4 steps
    assert "| warmup steps | 1 |" in card
    assert "| epochs | 2.0 |" in card
    assert f"`{run.parent / 'model'}` aligned with" in card
    assert "](.)" not in card


def test_the_card_of_a_run_of_an_earlier_release_renders(run: Path) -> None:
    record = read_run(run)
    for name in ("epochs_run", "warmup_steps_run", "truncation", "chat_template", "template_hash"):
        del record["training"][name]
    assert "| warmup steps | 0.1 |" in render_card(record, [])


def test_preview_shows_what_is_trained_and_no_text_unless_asked(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--dataset", str(world / "data"), "--model", str(world / "model")]
    assert main(["preview", *where]) == 0
    hidden = capsys.readouterr().out
    assert "<|begin|><|role|>" in hidden
    assert "<|end|>]" in hidden
    assert "bread" not in hidden
    assert "rows: en 8, sw 8, zh 8" in hidden
    assert main(["preview", *where, "--show-text", "--languages", "sw", "--max-length", "40"]) == 0
    shown = capsys.readouterr().out
    assert side("sw", "bread").chosen.split()[0] in shown.replace("|", "")
    assert "answers truncated" in shown


def test_gap_measures_a_run_against_the_model_it_started_from(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--dataset", str(run.parent / "data"), "--kind", "all", "--json"]
    assert main(["gap", *where, "--model", str(run.parent / "model")]) == 0
    before = json.loads(capsys.readouterr().out)
    assert main(["gap", *where, "--model", str(run), "--out", str(run.parent / "gap.json")]) == 0
    after = json.loads(capsys.readouterr().out)
    assert list(after["languages"]) == ["sw", "zh", "en"]
    assert before["languages"]["sw"]["dpo"] is None
    assert after["base"] == str(run.parent / "model")
    for code in ("en", "sw", "zh"):
        gap = after["languages"][code]["per_token"]
        assert gap["n"] == 4
        assert gap["low"] <= gap["value"] <= gap["high"]
        assert gap["value"] != before["languages"][code]["per_token"]["value"]
        assert after["languages"][code]["dpo"]["value"] != 0
    assert json.loads((run.parent / "gap.json").read_text()) == after


def test_a_sweep_walks_the_published_space() -> None:
    assert [point.name for point in sweep.points(sweep.space("simpo"))][:2] == [
        "beta=2.0,gamma=1.0",
        "beta=2.0,gamma=1.2",
    ]
    assert len(sweep.points(sweep.space("dpo", common=True))) == 3 * 5 * 3 * 3


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--values", "beta=abc"], "must be a number, got 'abc'"),
        (["--values", "betta=1"], "Unknown flag --betta. Did you mean --beta?"),
        (["--values", "beta=1,1"], "lists a value twice"),
        (["--values", "beta=1", "--values", "beta=2"], "--values names beta twice."),
        (["--values", "beta=-1"], "beta must be greater than 0, got -1."),
        (["--languages", "sw,sw"], "--languages names sw 2 times."),
        (["--pairs_per_language", "0"], "pairs_per_language must be at least 1, got 0."),
        (["--preset", "search"], "Unknown preset 'search'"),
        (["--learning_rat", "1"], "Unknown flag --learning_rat. Did you mean --learning_rate?"),
    ],
)
def test_a_sweep_reads_every_runs_flags_before_the_first(
    more: list[str], sentence: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(tmp_path / "sweep")]
    assert main(["sweep", "--method", "dpo", *where, "--launch", "ddp", "--dry-run", *more]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["sweep", "--method", "dpo", *where, "--launch", "ddp", "--dry-run"]) == 0
    assert "beta=0.01" in capsys.readouterr().out
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_a_sweep_trains_what_is_missing_and_ranks_on_held_out_rows(world: Path) -> None:
    plan = sweep.points(sweep.space("dpo", changed={"beta": ["0.5"], "max_steps": ["1"]}))
    given = [*flags(world, "--method", "dpo", "--eval_strategy", "epoch")]
    given = [flag for flag in given if flag not in ("--output_dir", str(world / "run"))]
    results = list(sweep.walk(world / "sweep", plan, given))
    stamp = (world / "sweep" / plan[0].name / "run.json").stat().st_mtime_ns
    list(sweep.walk(world / "sweep", plan, given))
    assert (world / "sweep" / plan[0].name / "run.json").stat().st_mtime_ns == stamp
    (entry,) = sweep.ranking(results, "eval_rewards/accuracies", lowest=False)
    assert entry["beta"] == "0.5"
    assert 0 <= entry["eval_rewards/accuracies"] <= 1
    with pytest.raises(ConfigError, match="holds runs with other flags"):
        next(sweep.walk(world / "sweep", plan, [*given, "--seed", "1"]))


def test_a_sweep_over_a_version_without_test_rows_ranks_on_the_trained_rows_and_says_so(
    tmp_path: Path,
    world: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def in_this_process(line: list[str]) -> int:
        return main(line[3:])

    monkeypatch.setattr("mpotrain.training.sweep.run_bound", in_this_process)
    version(tmp_path / "data", held_out=0)
    line = ["--method", "dpo", "--values", "beta=0.5", "--dataset", str(tmp_path / "data"), "--out", str(tmp_path)]
    given = [*flags(world)[6:], "--max_steps", "1", "--model", str(world / "model")]
    assert main(["sweep", *line, *given]) == 0
    assert f"{tmp_path / 'data'} has no test split: --eval_strategy measures the rows it trains on." in caplog.text
    assert f"eval_rewards/accuracies on {tmp_path / 'data'}: the rows it trains on" in capsys.readouterr().out
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["split"] == "train"
    assert 0 <= record["runs"][0]["eval_rewards/accuracies"] <= 1
    assert read_run(tmp_path / "beta=0.5")["data"]["measured_split"] == "train"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "mpoo"], "Unknown method 'mpoo'. Did you mean 'mpo'?"),
        (["--method", "dpo", "--gamma", "1"], "Method 'dpo' has no gamma; it takes beta."),
        (["--method", "dpo", "--gap", "1.58"], "gap '1.58' has no effect"),
        (["--retain", "author"], "Unknown retention 'author'. Did you mean 'authors'?"),
        (["--languages", "sw,xx"], "Unknown language 'xx'"),
        (["--languages", "ko"], "Unknown google language 'ko'"),
        (["--language_weights", "sw:2"], "language_weights must look like sw=2,bn=1.5"),
        (["--learning_rat", "1"], "Unknown flag --learning_rat. Did you mean --learning_rate?"),
        (["--learning_rate", "fast"], "must be a number, got 'fast'"),
        (["--hub_token", "hf_secret"], "leave --hub_token out"),
        (["--config", "nowhere.yaml"], "There is no config file nowhere.yaml."),
        (["--preset", "llama"], "Unknown preset 'llama'. Did you mean 'llama-3.1-8b'?"),
        (["--resume_from_checkpoint", "nowhere"], "There is no checkpoint nowhere."),
        (["--dominant_language", "ko"], "No pair has a side in 'ko' to be dominant."),
        (["--load_in_4bit"], "add --use_peft"),
        (["--push_to_hub", "--hub_model_id", "user/aligned"], "--push_to_hub cannot make the model's repository"),
        (["--dtype", "bfloat16", "--learning_rate", "6e-7"], "rounds to nothing"),
    ],
)
def test_a_mistake_gets_one_sentence_and_code_2(
    arguments: list[str], sentence: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *flags(world, "--output_dir", str(tmp_path / "run")), *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "hf_secret" not in error


def test_a_model_without_a_chat_template_fails_before_it_is_loaded(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *flags(world, "--model", str(world / "untemplated"))]) == 2
    assert "has no chat template" in capsys.readouterr().err


def test_a_model_that_cannot_fit_fails_with_an_estimate(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_available", lambda device, processes: (1000.0, "this test"))
    assert main(["train", *flags(world, "--output_dir", str(tmp_path / "run"))]) == 2
    assert "needs at least 0.0 GiB per process" in capsys.readouterr().err


def test_memory_is_counted_per_mode() -> None:
    eight = 8_000_000_000
    assert need(eight, eight).total / GIB == pytest.approx(16 * 8 / 1.0737, rel=0.01)
    assert need(eight, eight, mode="fsdp2", processes=8).total == need(eight, eight).total / 8
    shared = need(eight, eight, mode="zero2", processes=8, low_precision=True)
    assert shared.weights == 2 * eight
    assert shared.training == 14 * eight / 8
    adapters = need(eight, 40_000_000, quantised=4)
    assert adapters.total / GIB < 6


def test_the_flags_that_the_help_names_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from mpotrain.commands.train import FLAGS

    assert main(["train", "--help-all"]) == 0
    every = capsys.readouterr().out
    named = ["model_name_or_path" if name == "model" else name for name in FLAGS if name != "config"]
    assert all(f"--{name} " in every for name in named)


def test_adapters_alone_are_not_trained_on(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lora = ["--use_peft", "--lora_r", "2", "--lora_target_modules", "all-linear", "--gradient_checkpointing", "true"]
    assert main(["train", *flags(world), "--output_dir", str(world / "lora"), "--max_steps", "1", *lora]) == 0
    where = ["--dataset", str(world / "data"), "--model", str(world / "lora")]
    assert main(["gap", *where]) == 0
    capsys.readouterr()
    assert main(["train", *flags(world), *where]) == 2
    assert "holds adapters only: merge them" in capsys.readouterr().err


def test_a_yaml_file_a_preset_and_flags_come_in_that_order(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "method: mpo\nbeta: 1.25\nglobal_batch_size: 32\nlanguages: [sw, zh]\nlanguage_weights: {sw: 2}\n"
    )
    where = ["--output_dir", str(tmp_path), "--use_cpu", "--config", str(config)]
    made = parse([*where, "--global_batch_size", "16"], "pocket")
    assert made.hyper == {"beta": 1.25}
    assert (made.training.global_batch_size, made.training.max_length) == (16, 256)
    assert list(made.data.languages or ()) == ["sw", "zh"]
    config.write_text("bta: 1\n")
    assert main(["train", *where]) == 2
