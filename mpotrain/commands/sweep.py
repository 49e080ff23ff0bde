"""`mpotrain sweep`: train over a method's published search space."""

import argparse
from pathlib import Path

from mpodata.errors import ConfigError, UnknownName
from mpotrain.commands import require_training, train

HELP = "Train over a method's published search space (the paper's Table 7) and rank the runs."
EXAMPLE = (
    "mpotrain sweep --method simpo --preset llama-3.1-8b --dataset user/refusals@v1.0.0#nllb-3.3b \\\n"
    "      --out sweeps/simpo --launch zero2"
)
OWN_FLAGS = True


def arguments(parser: argparse.ArgumentParser) -> None:
    """The sweep's own flags; all others go to `mpotrain train`."""
    parser.allow_abbrev = False
    parser.add_argument("--method", default="mpo", help="training method (default: mpo)")
    parser.add_argument("--preset", help="settings of every run, and its search space where it has one")
    parser.add_argument("--out", "--output_dir", dest="out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--common", action="store_true", help="search learning rate, epochs and batch size too")
    parser.add_argument(
        "--values", action="append", default=[], metavar="FLAG=V1,V2", help="values of a flag instead of the published"
    )
    parser.add_argument(
        "--metric",
        default="eval_rewards/accuracies",
        help="what ranks the runs (default: eval_rewards/accuracies, after every epoch on the test split, "
        "or on the trained rows where the version has no test rows)",
    )
    parser.add_argument("--lowest", action="store_true", help="the lowest value of --metric is best")
    parser.add_argument("--dry-run", action="store_true", help="list the runs and stop")


def run(args: argparse.Namespace) -> int:
    """Train what is missing, then print the ranking."""
    train.split_flags(args.rest)
    require_training("sweep")
    if not args.metric.startswith(("eval_", "train_")):
        raise ConfigError(f"--metric {args.metric} names no measure of a run: eval_loss, eval_rewards/accuracies, ...")
    from mpotrain.training.sweep import check_points, points, ranking, space, walk, write_ranking

    plan = points(space(args.method, args.preset, common=args.common, changed=_values(args.values)))
    print(f"{len(plan)} runs of {args.method} in {args.out}")
    given = [
        "--method",
        args.method,
        "--eval_strategy",
        "epoch",
        *(["--preset", args.preset] if args.preset else []),
        *args.rest,
    ]
    _, flags = train.split_flags(given)
    check_points(args.out, plan, flags, args.preset)
    if args.dry_run:
        print("\n".join(point.name for point in plan))
        return 0
    results = []
    for number, (point, record) in enumerate(walk(args.out, plan, given), start=1):
        results.append((point, record))
        if args.metric not in record["metrics"]:
            raise UnknownName("metric of the runs:", args.metric, record["metrics"])
        print(f"{number}/{len(plan)} {point.name}: {record['metrics'].get(args.metric)}", flush=True)
    lowest = args.lowest or args.metric.endswith("loss")
    entries = ranking(results, args.metric, lowest=lowest)
    measured = record["data"].get("measured_split", "test")
    write_ranking(args.out, args.method, args.metric, measured, entries)
    where = "the test split" if measured == "test" else "the rows it trains on, for it has no test split"
    print(f"{args.metric} on {record['data']['reference']}: {where}")
    print("\n".join(f"{entry[args.metric]:>10.4f}  {entry['run']}" for entry in entries))
    return 0


def _values(given: list[str]) -> dict[str, list[str]]:
    spaces: dict[str, list[str]] = {}
    for text in given:
        flag, equals, values = text.partition("=")
        if not equals or not values:
            raise ConfigError(f"--values must look like beta=0.1,0.5, got {text!r}.")
        name, listed = flag.lstrip("-"), [value.strip() for value in values.split(",")]
        if name in spaces:
            raise ConfigError(f"--values names {name} twice.")
        if len(set(listed)) < len(listed):
            raise ConfigError(f"--values {text} lists a value twice.")
        spaces[name] = listed
    return spaces
