"""`mpotrain reproduce`: a table or figure of a paper, from data to the figures beside the published ones."""

import argparse
import shlex
from pathlib import Path

from mpodata.errors import ConfigError, UnknownName
from mpodata.runtime.flags import named, places, setting, whole, words
from mpotrain.commands import require_training

HELP = "Reproduce a table or figure of a paper: build, train, evaluate, and set the figures beside the published ones."
EXAMPLE = (
    "mpotrain reproduce mpo --table 2 --dry-run\n"
    "  mpotrain reproduce mpo --table 4 --model pocket-chat\n"
    "  mpotrain reproduce mpo --list"
)
DATA_NAMES = ("multijail", "advbench-x", "csrt", "refuseu-test", "mt-bench", "mmlu", "mgsm", "global-mmlu", "states")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("paper", help="mpo, refuseu, lidr or icr")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--table", help="number or name of the table: 2, attack-success")
    which.add_argument("--figure", help="number of the figure: 4")
    which.add_argument("--list", action="store_true", help="list the paper's tables and figures")
    parser.add_argument(
        "--model", type=named, help="model to start from (default: the paper's); pocket-chat runs on a laptop"
    )
    parser.add_argument(
        "--base-model", type=named, help="the model before instruction tuning (mpo's Table 6), or ICR's reference"
    )
    parser.add_argument("--preset", type=named, help="settings of the training runs (default: by the model)")
    parser.add_argument(
        "--judge", type=named, help="who judges (default: the paper's protocol with openai:gpt-4o; pocket: rules)"
    )
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help="where a benchmark's file is")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="an option of every evaluation's engine or judge, as in mpotrain eval",
    )  # fmt: skip
    parser.add_argument("--limit", type=whole(1), help="at most N prompts per language and kind (pocket: 24)")
    parser.add_argument("--samples", type=whole(1), help="harmful pairs per dataset version (default: 100; pocket: 40)")
    parser.add_argument(
        "--search", action=argparse.BooleanOptionalAction, default=None,
        help="search the baselines' hyper-parameters as the paper did (default: yes; pocket: no)",
    )  # fmt: skip
    parser.add_argument("--launch", choices=("ddp", "zero2", "zero3", "fsdp2"), help="train on several devices")
    parser.add_argument("--nproc", type=whole(1), help="processes with --launch")
    parser.add_argument(
        "--train",
        type=words,
        default="",
        metavar="'FLAGS'",
        help="more flags of every training run: --train='--use_peft true'",
    )
    parser.add_argument("--build", type=words, default="", metavar="'FLAGS'", help="more flags of every mpodata build")
    parser.add_argument("--skip-missing", action="store_true", help="measure what needs no file that is missing")
    parser.add_argument("--dry-run", action="store_true", help="print the commands with their costs, and stop")
    parser.add_argument("--out", type=Path, default=Path("reproduction"), help="folder (default: reproduction)")


def run(args: argparse.Namespace) -> int:
    """Plan, then print the plan, or run what is missing of it and print the page."""
    require_training("reproduce")
    from mpotrain.reproduce.page import settings_page, write_page
    from mpotrain.reproduce.plan import Options, make_plan
    from mpotrain.reproduce.spec import read_table, table_names
    from mpotrain.reproduce.steps import perform

    if args.list:
        print("\n".join(f"{name:<16} {read_table(args.paper, name).title}" for name in table_names(args.paper)))
        return 0
    name = args.table or f"figure-{args.figure}"
    if args.paper == "mpo" and name == "17":
        raise ConfigError("Table 17 is about an encoder-decoder model (Aya-101), which mpotrain does not train.")
    data = _places(args.data)
    if args.out.is_file():
        raise ConfigError(f"--out {args.out} is a file: name a folder.")
    table = read_table(args.paper, name, args.model, tuple(data))
    if table.settings:
        print(settings_page(table))
        return 0
    options = Options(
        out=args.out, model=args.model, base_model=args.base_model, preset=args.preset, judge=args.judge, data=data,
        settings=args.settings, limit=args.limit, samples=args.samples, search=args.search,
        launch=_launch_flags(args.launch, args.nproc),
        train=shlex.split(args.train), build=shlex.split(args.build), skip_missing=args.skip_missing,
        dry_run=args.dry_run,
    )  # fmt: skip
    plan = make_plan(table, options)
    if args.dry_run:
        print("\n".join(plan_lines(plan)))
        return 0
    failed = perform(plan, lambda line: print(line, flush=True))
    text, _ = write_page(plan, failed)
    print(f"\n{text}\nwrote {plan.folder / 'page.md'}")
    if failed:
        raise ConfigError(
            f"{len(failed)} of {len(plan.steps)} steps failed; the page says which. The same command tries them again."
        )
    return 0


def plan_lines(plan: object) -> list[str]:
    """The commands of a plan, each with its cost, and the sum."""
    from mpotrain.reproduce.costs import Cost
    from mpotrain.reproduce.plan import Plan

    assert isinstance(plan, Plan)
    lines, total = [f"# {plan.table.label}: {plan.table.title}"], Cost()
    for step in plan.steps:
        done = " (done)" if step.done.exists() else ""
        calls = f", {step.cost.judge_calls} judge calls" if step.cost.judge_calls else ""
        lines += [f"# {step.name}: {step.cost.gpu_hours:.2f} GPU-hours{calls}{done}", shlex.join(step.command)]
        total += Cost() if done else step.cost
    lines += [f"# not measured: {name}: {why}" for name, why in plan.left_out.items()]
    lines.append(
        f"# to do: about {total.gpu_hours:.1f} GPU-hours (one H100; an estimate) and {total.judge_calls} judge calls"
    )
    return lines


def _launch_flags(kind: str | None, processes: int | None) -> list[str]:
    if kind is None and processes is not None:
        raise ConfigError("--nproc has no effect without --launch.")
    flags = ["--launch", kind] if kind else []
    return [*flags, *(["--nproc", str(processes)] if processes else [])]


def _places(given: list[str]) -> dict[str, str]:
    found = places(given, "advbench-x=advbench.csv")
    for name in found:
        if name not in DATA_NAMES:
            raise UnknownName("benchmark of a table:", name, DATA_NAMES)
    return found
