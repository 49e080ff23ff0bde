"""`mpotrain tasks`: the prompts of benchmarks as a task of another harness, with this package's figures."""

import argparse
import os
import shutil
from pathlib import Path

from mpodata.errors import ConfigError
from mpodata.languages import languages
from mpodata.registry import resolve
from mpodata.runtime.files import take_aside
from mpodata.runtime.flags import parts, places, whole
from mpotrain.evaluation.benchmarks import BENCHMARKS, benchmark_languages
from mpotrain.evaluation.evaluate import prepare_suite
from mpotrain.evaluation.packs import PACKS

HELP = "Write the task `multilingual_refusal` for lm-evaluation-harness or inspect_ai, on the prompts of benchmarks."
EXAMPLE_DATA = "multijail=multijail.csv"
EXAMPLE = "mpotrain tasks --for lm-eval --benchmarks multijail --data multijail=multijail.csv --out tasks/"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--for", required=True, dest="harness", metavar="HARNESS", help=f"one of {', '.join(PACKS)}")
    parser.add_argument(
        "--benchmarks", required=True, help=f"comma-separated names or paths of tables; names: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help="where a benchmark's file is")
    parser.add_argument(
        "--languages", type=benchmark_languages, help="comma-separated codes (default: all that a benchmark has)"
    )
    parser.add_argument("--limit", type=whole(1), help="at most N prompts per language and kind, as in `mpotrain eval`")
    parser.add_argument("--max-tokens", type=whole(1), default=256, help="longest answer in tokens (default: 256)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder that does not exist yet")


def run(args: argparse.Namespace) -> int:
    """Write the folder, whole or not at all, and say how it is run."""
    write = resolve("harness", PACKS, args.harness)
    out = Path(os.path.abspath(args.out))
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{args.out} exists. Choose another folder, or remove it first.")
    suite = prepare_suite(
        parts(args.benchmarks), places(args.data, EXAMPLE_DATA), parts(args.languages or "") or None, args.limit
    )
    among = sorted({*suite.languages, suite.dominant, "en"} & set(languages()))
    folder, handle = take_aside(out, "tasks")
    try:
        commands = write(suite.prompts, among, folder, out, args.max_tokens)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
    print(f"Wrote {len(suite.prompts)} prompts in {', '.join(suite.languages)} to {args.out}.")
    for warning in suite.warnings:
        print(f"  {warning}")
    print(*(f"Run it: {command}" for command in commands), sep="\n")
    return 0
