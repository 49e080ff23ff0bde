"""`mpodata plan`: what a build will do, before it does it."""

import argparse
import json
from dataclasses import asdict

from mpodata.commands.build import open_journal, recipe_arguments, recipe_of, shortfall_lines
from mpodata.licences import commercial_use, obstacles
from mpodata.pipeline.plan import GPU_FLOPS, Plan, StageCost, plan
from mpodata.runtime.cores import cores
from mpodata.runtime.flags import number, whole

ASSUMED_BILLIONS = 8.0  # parameters of a model whose configuration cannot be read

HELP = "Say what a build would do, cost and be licensed as, before it does it. Loads no model, sends nothing."
EXAMPLE = "mpodata plan --recipe mpo-paper --model meta-llama/Llama-3.1-8B-Instruct --gpu h100 --gpus 8"


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe_arguments(parser)
    parser.add_argument("--gpu", choices=sorted(GPU_FLOPS), default="h100", help="kind of GPU (default h100)")
    parser.add_argument("--gpus", type=whole(1), default=1, help="how many (default 1)")
    parser.add_argument(
        "--policy-billions", type=number(0, above=True), help="parameters of the policy (default: its config)"
    )
    parser.add_argument("--translator-billions", type=number(0, above=True), help="... and of the translator")
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def run(args: argparse.Namespace) -> int:
    with open_journal(args.journal) as journal:
        made = plan(recipe_of(args), journal)
    policy = _first(args.policy_billions, made.policy_billions, ASSUMED_BILLIONS)
    translator = _first(args.translator_billions, made.translator_billions, ASSUMED_BILLIONS)
    hours = made.gpu_hours(args.gpu, policy, translator)
    cpu_hours = made.cpu_hours(cores(), policy, translator)
    if args.json:
        times = {"gpu_hours": hours, "wall_hours": hours / args.gpus, "cpu_hours": cpu_hours}
        commercial = {"commercial": commercial_use(made.parts.values()), "against_commercial": obstacles(made.parts)}
        print(json.dumps({**asdict(made), **times, "cost": made.cost, **commercial}, indent=2))
        return 0
    _show(made)
    if made.policy_billions is None and args.policy_billions is None and made.answers is not None:
        print(f"model       its config cannot be read: {ASSUMED_BILLIONS:g} billion parameters are assumed")
    elif made.answers is not None and policy:
        print(f"model       {_parameters(policy)} parameters")
    if hours == 0:
        print("time        nothing is computed on this machine")
    else:
        print(f"time        {duration(hours / args.gpus)} on {args.gpus} {args.gpu} (an estimate, at 10 % of the peak)")
        print(f"            {duration(cpu_hours)} on this machine's {cores()} CPU cores (an estimate, in float32)")
    return 0


def _first(*values: float | None) -> float:
    """The first value that is known."""
    return next(value for value in values if value is not None)


def _parameters(billions: float) -> str:
    return f"{billions:.3g} billion" if billions >= 1 else f"{1000 * billions:.3g} million"


def duration(hours: float) -> str:
    """A time as people say it: no 0.00 hours."""
    if hours < 1 / 60:
        return "less than a minute"
    if hours < 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _show(made: Plan) -> None:
    print(f"rows        {made.rows} taken from the source")
    for reason, count in made.dropped.items():
        print(f"            {count} dropped: {reason}")
    if made.replaces:
        print("            at least: pairs that are dropped are replaced, which costs more")
    for line in shortfall_lines(made.shortfall):
        print(f"            {line}")
    print(f"answers     {_work(made.answers)}" if made.answers else "answers     none: the source's own are chosen")
    for language, work in made.translations.items():
        print(f"{language:<11} {_work(work)}")
    if made.price is not None and made.cost is not None:
        characters = sum(work.characters for work in made.translations.values())
        price = f"{made.price.per_million:g} {made.price.currency} a million, {made.price.note}; read {made.price.read}"
        print(f"cost        about {made.cost:,.2f} {made.price.currency} for {characters:,} characters ({price})")
    print(f"licence     {made.licence} ({', '.join(f'{part}: {licence}' for part, licence in made.parts.items())})")

    against = "; ".join(obstacles(made.parts))
    allowed = commercial_use(made.parts.values())
    verdict = "yes, by the licences of all parts" if allowed else "cannot be said" if allowed is None else "no"
    print(f"commercial  {verdict}{': ' if against else ''}{against}")
    print(f"            mpodata publish --commercial-only would {'refuse it' if against else 'publish it'}")


def _work(work: StageCost) -> str:
    share = work.cached / work.calls if work.calls else 1.0
    return f"{work.calls} calls, {share:.0%} of them in the journal; about {work.tokens:,} tokens to make"
