"""`mpodata plan`: what a build will do, before it does it."""

import argparse
import json
from dataclasses import asdict

from mpodata.commands.build import open_journal, recipe_arguments, recipe_of
from mpodata.pipeline.plan import GPU_FLOPS, Plan, StageCost, plan

HELP = "Say what a build would do, cost and be licensed as, before it does it. Loads no model, sends nothing."
EXAMPLE = "mpodata plan --recipe mpo-paper --model meta-llama/Llama-3.1-8B-Instruct --gpu h100 --gpus 8"


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe_arguments(parser)
    parser.add_argument("--gpu", choices=sorted(GPU_FLOPS), default="h100", help="kind of GPU (default h100)")
    parser.add_argument("--gpus", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--policy-billions", type=float, default=8.0, help="parameters of the policy, in billions")
    parser.add_argument("--translator-billions", type=float, default=3.3, help="parameters of the translator")
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def run(args: argparse.Namespace) -> int:
    with open_journal(args.journal) as journal:
        made = plan(recipe_of(args), journal)
    hours = made.gpu_hours(args.gpu, args.policy_billions, args.translator_billions)
    if args.json:
        print(json.dumps({**asdict(made), "gpu_hours": hours, "wall_hours": hours / args.gpus}, indent=2))
        return 0
    _show(made)
    minutes = 60 * hours / args.gpus
    print(
        f"GPU-hours   {hours:.2f} on {args.gpu}, {minutes:.0f} minutes on {args.gpus}: an estimate, at 10 % of the peak"
    )
    return 0


def _show(made: Plan) -> None:
    print(f"rows        {made.rows} taken from the source")
    for reason, count in made.dropped.items():
        print(f"            {count} dropped: {reason}")
    print(f"answers     {_work(made.answers)}" if made.answers else "answers     none: the source's own are chosen")
    for language, work in made.translations.items():
        print(f"{language:<11} {_work(work)}")
    print(f"licence     {made.licence} ({', '.join(f'{part}: {licence}' for part, licence in made.parts.items())})")


def _work(work: StageCost) -> str:
    share = work.cached / work.calls if work.calls else 1.0
    return f"{work.calls} calls, {share:.0%} of them in the journal; about {work.tokens:,} tokens to make"
