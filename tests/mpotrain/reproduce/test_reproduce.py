"""Every table and figure can be planned; on pocket models every one that needs no external file runs to its end."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import mpodata.cli
import mpotrain.cli
from mpodata.errors import ConfigError, UnknownName
from mpotrain.evaluation.published import published
from mpotrain.reproduce import steps
from mpotrain.reproduce.claims import FAILS, HOLDS, UNKNOWN, verdicts
from mpotrain.reproduce.figures import measures
from mpotrain.reproduce.page import write_page
from mpotrain.reproduce.plan import BEST, Options, make_plan
from mpotrain.reproduce.spec import papers, read_table, table_names
from tests.mpotrain.fake_judge import answers, evaluation

EVERY = [(paper, name) for paper in papers() for name in table_names(paper)]
EXTERNAL = {("mpo", "3"), ("mpo", "11"), ("mpo", "12"), ("lidr", "mgsm"), ("refuseu", "global-mmlu")}
SETTINGS = {("mpo", "7"), ("mpo", "8")}


def in_this_process(command, log: Path) -> int:
    """A runner without the seconds that a new process takes to import torch."""
    log.parent.mkdir(parents=True, exist_ok=True)
    main = {"mpodata": mpodata.cli.main, "mpotrain": mpotrain.cli.main}[command[0]]
    with log.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        return main(list(command[1:]))


def planned(paper, name, out, **options):
    options = {"model": "pocket-chat", "samples": 6, "limit": 4, "data": {}} | options
    return make_plan(read_table(paper, name, options["model"], tuple(options["data"])), Options(out=out, **options))


def test_all_tables_and_figures_of_mpo_are_there():
    assert table_names("mpo") == [*map(str, range(1, 17)), *(f"figure-{number}" for number in (2, 3, 4, 5))]


@pytest.mark.parametrize("model", [[], ["--model", "pocket-chat"]])
@pytest.mark.parametrize(("paper", "name"), EVERY)
def test_a_dry_run_prints_commands_gpu_hours_and_judge_calls_and_does_nothing(paper, name, model, capsys, tmp_path):
    which = ["--figure", name.removeprefix("figure-")] if name.startswith("figure-") else ["--table", name]
    code = mpotrain.cli.main(["reproduce", paper, *which, "--dry-run", "--out", str(tmp_path / "out"), *model])
    printed = capsys.readouterr().out
    assert code == 0
    assert not (tmp_path / "out").exists()
    if (paper, name) not in SETTINGS:
        assert "GPU-hours" in printed
        assert "judge calls" in printed
        assert any(f"mpotrain {command}" in printed for command in ("train", "eval", "gap", "states"))


@pytest.mark.parametrize(("paper", "name"), EVERY)
def test_the_rows_of_a_table_are_those_that_were_published_or_belong_to_its_claims(paper, name):
    table = read_table(paper, name)
    for claim in table.claims:
        rows = claim.get("order") or [claim["row"]]
        assert set(map(str, rows)) <= set(table.runs), claim
        assert {claim["part"]} <= set(table.parts) if "part" in claim else set(claim["correlation"]) <= set(table.parts)
    if table.published and not table.settings:
        printed = {row for part in published(table.published.name).parts.values() for row in part.names()}
        assert printed & set(table.runs)


def test_the_commands_that_a_plan_prints_are_read_by_their_own_parsers(tmp_path):
    """Flags that a command does not know would be found hours into a run."""
    from mpotrain.config import parse

    for name in ("4", "5", "13", "15", "9"):
        for step in planned("mpo", name, tmp_path).steps:
            if step.command[:2] == ("mpotrain", "train"):
                flags = [word for word in step.command[2:] if word not in ("--preset", "pocket")]
                parse([*flags, "--use_cpu", "true"], "pocket")


def test_the_switches_of_the_ablations_reach_the_training_commands(tmp_path):
    commands = {step.name: " ".join(step.command) for step in planned("mpo", "4", tmp_path).steps}
    assert "--retain off" in commands["train w/o retention"]
    assert "--retain kl" in commands["train KL"]
    assert "--length_normalize false" in commands["train w/o length normalisation"]
    assert "--gap policy" in " ".join(map(" ".join, (step.command for step in planned("mpo", "15", tmp_path).steps)))
    gap = next(step for step in planned("mpo", "6", tmp_path).steps if step.name == "gap of MPO")
    assert " ".join(gap.command[-6:-2]) == "--base pocket-chat --beta 1"


def test_tables_share_what_they_have_in_common(tmp_path):
    second, fourth = (
        {step.done for step in planned("mpo", name, tmp_path).steps if step.name != "report"} for name in ("2", "4")
    )
    assert len(second & fourth) == 3  # the version, MPO's run, its evaluation
    assert all(not step.done.exists() for step in planned("mpo", "2", tmp_path).steps)


def test_another_model_or_another_limit_has_folders_of_its_own(tmp_path):
    plain, other, wider = (
        {step.done for step in planned("mpo", "2", tmp_path, **changes).steps if step.name != "report"}
        for changes in ({}, {"preset": "llama-3.1-8b"}, {"limit": 5})
    )
    assert len(plain & other) == 2  # the version, and the start model's evaluation
    assert sum(place.name == "results.json" for place in plain & wider) == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("11", r"M-MMLU, 5-shot accuracy: --data mmlu=FOLDER"),
        ("12", r"MGSM, 0-shot chain of thought, accuracy: --data mgsm=FOLDER"),
        ("3", r"--data mmlu=FOLDER of openai/MMMLU; MGSM.*--skip-missing"),
    ],
)
def test_a_missing_file_is_told_in_one_sentence_with_its_flag(name, told, tmp_path, capsys):
    with pytest.raises(ConfigError, match=told):
        planned("mpo", name, tmp_path)
    code = mpotrain.cli.main(["reproduce", "mpo", "--table", name, "--model", "pocket-chat", "--out", str(tmp_path)])
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_real_table_2_names_the_files_of_advbench_and_csrt(tmp_path):
    with pytest.raises(ConfigError, match=r"--data advbench-x=FILE.*--data csrt=FILE"):
        planned("mpo", "2", tmp_path, model=None)
    plan = planned("mpo", "2", tmp_path, model=None, skip_missing=True)
    assert set(plan.left_out) == {"advbench-x", "csrt"}


def test_real_models_train_on_exactly_as_many_pairs_as_the_figure_says(tmp_path):
    plan = planned("mpo", "figure-3", tmp_path, model=None, samples=None)
    builds = {step.name: " ".join(step.command) for step in plan.steps if step.name.startswith("build")}
    assert "--recipe mpo-paper" in builds["build N25"]
    assert "--pairs 25 " in builds["build N25"]
    assert "--translator nllb-1.3b --out" in builds["build N1.3"]


def test_a_table_that_does_not_exist_is_told_with_those_that_do(tmp_path):
    with pytest.raises(UnknownName, match="table of mpo"):
        planned("mpo", "99", tmp_path)
    with pytest.raises(UnknownName, match="paper"):
        planned("mpoo", "2", tmp_path)


def test_baselines_are_searched_on_real_models_and_the_best_run_is_what_is_evaluated(tmp_path):
    plan = planned("mpo", "2", tmp_path, model="someone/chat-8b", skip_missing=True)
    by_name = {step.name: step for step in plan.steps}
    assert by_name["search DPO"].command[:2] == ("mpotrain", "sweep")
    assert by_name["train MPO"].command[:2] == ("mpotrain", "train")
    sweep = by_name["search DPO"].done
    ask = by_name["evaluate DPO on multijail"].command
    assert ask[3] == str(sweep.parent / BEST)
    sweep.parent.mkdir(parents=True)
    sweep.write_text(json.dumps({"runs": [{"run": "beta=0.05"}, {"run": "beta=0.1"}]}), encoding="utf-8")
    assert steps.resolved(ask)[3] == str(sweep.parent / "beta=0.05")


def stand(plan, rates):
    """Evaluations made by hand in the places of a plan: row -> share of attacks that succeed."""
    for (row, _key), file in plan.measured.items():
        if row in rates:
            rows = answers({"en": rates[row] / 2, "sw": rates[row]}, "harmful", lambda i, rate: i < rate * 200)
            evaluation(file.parent, row, [replace(one, benchmark="pocket") for one in rows])


def test_an_order_that_is_claimed_holds_or_does_not_hold_or_was_not_measured(tmp_path):
    plan = planned("mpo", "2", tmp_path)
    stand(plan, {"MPO": 0.1, "ORPO": 0.2, "DPO": 0.3, "base": 0.9})
    (told,) = [verdict for verdict in verdicts(plan, measures(plan)) if "ORPO" in verdict.claim]
    assert told.verdict == HOLDS
    assert "MPO 7.50, ORPO 15.00, DPO 22.50, base 67.50" in told.detail
    assert "base - DPO: +45.00 (" in told.detail
    stand(plan, {"ORPO": 0.05})
    assert verdicts(plan, measures(plan))[0].verdict == FAILS
    empty = planned("mpo", "2", tmp_path / "empty")
    assert verdicts(empty, measures(empty))[0].verdict == UNKNOWN


def test_the_page_sets_our_figures_with_intervals_beside_the_published_ones(tmp_path):
    plan = planned("mpo", "2", tmp_path)
    stand(plan, {"MPO": 0.1, "base": 0.9})
    text, _ = write_page(plan, {})
    assert "| MPO | published | 2.22 | 0.95 | 4.76 | 1.90 | 12.38 | 10.79 | 5.50 |" in text
    ours = next(line for line in text.splitlines() if line.startswith("| MPO | here |"))
    assert "| 5.00 (2.74 to 8.96) |" in ours
    assert "Stands in for it here: asr on harmful pocket prompts" in text
    assert "printed 5.98, read 5.50" in text
    assert json.loads((plan.folder / "page.json").read_text(encoding="utf-8"))["table"] == "mpo-table-2"


def test_a_step_that_fails_is_told_and_what_does_not_rest_on_it_goes_on(tmp_path):
    plan = planned("mpo", "5", tmp_path)
    ran = []

    def runner(command, log):
        ran.append(command[1])
        log.parent.mkdir(parents=True, exist_ok=True)
        if "--gap" in command and "bn" in command:
            log.write_text("mpotrain: the disk is full.\n", encoding="utf-8")
            return 2
        place = next(step.done for step in plan.steps if step.command == command)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("{}", encoding="utf-8")
        return 0

    failed = steps.perform(plan, lambda line: None, runner)
    told = steps.failures_of(plan, failed)
    assert set(told) == {("Bn", "multijail")}
    assert "train Bn: exit code 2: mpotrain: the disk is full." in told["Bn", "multijail"]
    assert ran.count("eval") == 3
    ran.clear()
    steps.perform(plan, lambda line: None, runner)
    assert ran == ["train"]  # what is done is passed over, what failed is tried again


@pytest.mark.flow
def test_the_smallest_table_runs_for_real_and_a_second_call_runs_nothing(tmp_path):
    plan = planned("mpo", "1", tmp_path / "out", samples=4, limit=2)
    assert steps.perform(plan, lambda line: None, in_this_process) == {}
    text, held = write_page(plan, {})
    assert "| base | published | 1.58 |" in text
    assert text.count("| base | here |") == 2
    assert held[0].verdict in (HOLDS, FAILS)

    def none(command, log):
        raise AssertionError(f"ran again: {command}")

    assert steps.perform(plan, lambda line: None, none) == {}


@pytest.fixture(scope="module")
def reproduction(tmp_path_factory):
    """One folder for all tables, so that they share versions and runs."""
    return tmp_path_factory.mktemp("reproduction")


@pytest.mark.slow
@pytest.mark.parametrize(("paper", "name"), [one for one in EVERY if one not in EXTERNAL | SETTINGS])
def test_every_table_that_needs_no_external_file_runs_on_pocket_models(paper, name, reproduction):
    plan = planned(paper, name, reproduction)
    failed = steps.perform(plan, print, in_this_process)
    text, held = write_page(plan, failed)
    assert failed == {}, text
    assert set(measures(plan)) == set(plan.measured)
    for claim, verdict in zip(plan.table.claims, held, strict=True):
        rows = set(map(str, claim.get("order") or [claim["row"]]))
        if not rows & set(plan.left_out) and claim.get("part") not in plan.left_out:
            assert verdict.verdict in (HOLDS, FAILS), verdict


def test_a_method_trains_with_its_own_published_settings_unless_others_are_asked_for(tmp_path):
    real = {"model": "meta-llama/Llama-3.1-8B-Instruct", "samples": None, "limit": None}
    presets = [
        {step.name: step.command[3] for step in planned("mpo", "14", tmp_path, **options).steps if "train" in step.name}
        for options in (real, {**real, "preset": "qwen2.5-7b"}, {})
    ]
    assert presets[0]["train Lens"] == "llama-3.1-8b-lens"
    assert presets[0]["train MPO"] == "llama-3.1-8b"
    assert set(presets[1].values()) == {"qwen2.5-7b"}
    assert set(presets[2].values()) == {"pocket"}
