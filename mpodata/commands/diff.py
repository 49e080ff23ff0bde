"""`mpodata diff`: two versions, row by row."""

import argparse
import json

from mpodata.versions.diff import compare
from mpodata.versions.load import load

HELP = "Compare two versions: rows added, removed and changed per config, quality, and the version step it asks for."
EXAMPLE = "mpodata diff user/name@v1.0.0 user/name@v1.1.0"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="A", help="a version: NAME@v1.0.0, or the folder of one")
    parser.add_argument("new", metavar="B", help="the version to compare it with")
    parser.add_argument("--json", action="store_true", help="print the diff as JSON")


def run(args: argparse.Namespace) -> int:
    old, new = load(args.old), load(args.new)
    change = compare(old, new)
    if args.json:
        print(json.dumps({"old": old.reference, "new": new.reference, **change.as_json()}, indent=2))
        return 0
    print(f"{old.reference} -> {new.reference}")
    for line in change.lines() or ["The same content."]:
        print(f"  {line}")
    for config in change.configs:
        for name, (before, after) in (config.quality or {}).items():
            print(f"  {config.config} {name}: {_figure(before)} -> {_figure(after)}")
    print(f"smallest version step: {change.bump.name.lower()}")
    return 0


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
