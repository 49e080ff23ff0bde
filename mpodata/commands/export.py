"""`mpodata export`: a version for other trainers."""

import argparse
from pathlib import Path

from mpodata.runtime.flags import named
from mpodata.versions.export import FORMATS, export
from mpodata.versions.load import load

HELP = "Write a version for another trainer, with a configuration that runs it, or in the released MPO schema."
EXAMPLE = "mpodata export user/name@v1.2.0#nllb-3.3b --format llama-factory --out data/"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a version; #translator leaves the other translators out")
    parser.add_argument("--format", required=True, metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    parser.add_argument(
        "--model", type=named, metavar="MODEL", help="what the configuration trains (default: the policy that answered)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="a folder that does not exist yet")


def run(args: argparse.Namespace) -> int:
    version = load(args.reference)
    exported = export(version, args.format, args.out, model=args.model)
    print(f"Wrote {exported.rows} rows of {version.reference} to {args.out}:")
    for file in exported.files:
        print(f"  {file}")
    if exported.model is None and args.format != "mpo":
        print("The version does not say which model is trained: give --model for a configuration that runs as it is.")
    return 0
