"""`mpotrain iterate`: build with the policy, train on it, build with the trained model, and so on."""

import argparse
import json
import shlex
from pathlib import Path

from mpodata.commands.build import recipe_arguments, recipe_of
from mpodata.engines.checkpoints import EMBEDDED
from mpodata.errors import ConfigError
from mpodata.hub import is_hub_id
from mpodata.recipe import Recipe
from mpodata.runtime.flags import number, whole, words
from mpodata.runtime.whole_files import write_text
from mpotrain.commands import require_training, train

HELP = "Rounds of build, publish, train: what a round trains is the policy of the next (LIDR, ICR)."
EXAMPLE = (
    "mpotrain iterate --rounds 2 --model meta-llama/Meta-Llama-3-8B-Instruct --recipe lidr \\\n"
    "      --build='--source prompts.csv --samples 1000' --preset llama-3-8b-lidr --out lidr"
)
OWN_FLAGS = True
TAKEN = ("--dataset", "--model", "--model_name_or_path", "--output_dir", "--reference")  # what a round itself gives


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own flags; all others go to every `mpotrain train`."""
    parser.allow_abbrev = False
    parser.add_argument("--rounds", type=whole(1), default=2, help="how many (default: 2, as LIDR and ICR)")
    parser.add_argument("--model", required=True, help="the first policy: a folder, a Hub id, pocket-chat")
    parser.add_argument("--recipe", required=True, help="of every build: a YAML file, or one that ships: lidr, icr")
    parser.add_argument(
        "--build", type=words, default="", metavar="'FLAGS'",
        help="more flags of every mpodata build: --build='--source prompts.csv --samples 1000'",
    )  # fmt: skip
    parser.add_argument(
        "--eval", type=words, default="", metavar="'FLAGS'",
        help="flags of an mpotrain eval of the first policy and of every round: --eval='--benchmarks multijail'",
    )  # fmt: skip
    parser.add_argument(
        "--reference", choices=("round", "start"), default="round",
        help="the weights that training measures against: the round's first ones (default), or the first policy's",
    )  # fmt: skip
    parser.add_argument(
        "--same-prompts", action="store_true", help="ask the same prompts in all rounds (default: other ones in each)"
    )
    parser.add_argument(
        "--least", type=number(0, 1), default=0.1, metavar="SHARE",
        help="stop where fewer harmful pairs than this share survive in the target languages (default: 0.1)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder of the rounds")
    parser.add_argument("--json", action="store_true", help="print the rounds as JSON instead of the table")


def run(args: argparse.Namespace) -> int:
    """Run what is missing of the rounds, and write the report."""
    train.split_flags(args.rest)
    require_training("iterate")
    from mpotrain.training.folder import locked
    from mpotrain.training.iterate import Iteration, check, iterate
    from mpotrain.training.iterate_report import record, report

    given = [word.partition("=")[0] for word in args.rest]
    taken = next((flag for flag in TAKEN if flag in given), None)
    if taken:
        raise ConfigError(f"{taken} of a round's training is the round's own: leave it out.")
    method = [] if "--method" in given else ["--method", "dpo-nll"]  # LIDR's and ICR's
    build = ("--recipe", args.recipe, *shlex.split(args.build))
    iteration = Iteration(
        out=args.out.absolute(), model=_model(args.model), rounds=args.rounds, recipe=_recipe(build), build=build,
        train=(*method, *args.rest), evaluate=tuple(shlex.split(args.eval)), reference=args.reference,
        fresh=not args.same_prompts, least=args.least,
    )  # fmt: skip
    _check_training(iteration.train)
    check(iteration)
    with locked(iteration.out):
        rounds, stopped = iterate(iteration, lambda line: None if args.json else print(line, flush=True))
        text = report(iteration, rounds, stopped)
        write_text(iteration.out / "report.md", text)
        write_text(iteration.out / "report.json", json.dumps(record(rounds, stopped), indent=2) + "\n")
    print(json.dumps(record(rounds, stopped), indent=2) if args.json else f"\n{text}\nwrote {args.out / 'report.md'}")
    return 0


def _model(model: str) -> str:
    """A folder by its whole path: the rounds' commands may run elsewhere."""
    if Path(model).is_dir():
        return str(Path(model).absolute())
    if model not in EMBEDDED and not is_hub_id(model):
        raise ConfigError(f"--model {model} is neither a folder nor a Hub id (user/name). Check the path.")
    return model


def _recipe(build: tuple[str, ...]) -> Recipe:
    """The recipe that every round builds by; raises ConfigError for a flag that a round gives itself."""
    parser = argparse.ArgumentParser(prog="mpotrain iterate --build", add_help=False, allow_abbrev=False)
    recipe_arguments(parser)
    known, unknown = parser.parse_known_args(list(build))
    if unknown:
        raise ConfigError(f"--build: {unknown[0]} is no flag of a round's build; it takes those that decide its rows.")
    if known.model is not None:
        raise ConfigError(
            "--build: --model is each round's own policy: give the first one as mpotrain iterate --model."
        )
    recipe = recipe_of(known)
    if recipe.pairs is not None:
        raise ConfigError("--build: --pairs cannot be asked for in rounds: give --samples.")
    return recipe


def _check_training(flags: tuple[str, ...]) -> None:
    """Every flag of training is read before anything is built; raises ConfigError, UnknownName."""
    from mpotrain.config import parse

    launching, rest = train.split_flags(flags)
    parse([*rest, "--dataset", "name@v1.0.0", "--model", "pocket-chat", "--output_dir", "x", "--use_cpu", "true"],
          launching.preset)  # fmt: skip
