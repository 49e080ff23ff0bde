"""`mpodata publish`: one folder, one commit, one tag."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from mpodata.display.terminal import printable
from mpodata.versions.publish import Published, publish

HELP = "Publish a built version to the Hub or to a folder registry: one commit, one tag, reloaded and checked."
EXAMPLE = "mpodata publish out/ --to user/name    (a folder registry: --to ./registry/name)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="the folder that `mpodata build` wrote")
    parser.add_argument("--to", required=True, metavar="NAME", help="user/name on the Hub, or a folder ROOT/NAME")
    parser.add_argument("--version", metavar="X.Y.Z", help="raise the version; the default is the smallest allowed")
    parser.add_argument(
        "--public", action="store_true", help="publish to a public dataset (a new one is private otherwise)"
    )
    parser.add_argument(
        "--no-gated", dest="gated", action="store_false", help="let everyone read harmful completions without asking"
    )
    parser.add_argument(
        "--replace", action="store_true", help="drop configs that DIR does not have (else they are kept)"
    )
    parser.add_argument(
        "--commercial-only", action="store_true",
        help="refuse a version with a part whose licence forbids commercial use or does not say",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    published = publish(
        args.folder,
        args.to,
        version=args.version,
        public=args.public,
        gated=args.gated,
        replace_all=args.replace,
        commercial_only=args.commercial_only,
        say=lambda step: print(printable(f"  {step} ..."), file=sys.stderr),
    )
    if args.json:
        print(json.dumps({**asdict(published), "reference": published.reference}, indent=2))
        return 0
    for line in lines(published):
        print(printable(line))
    return 0


def lines(published: Published) -> Iterator[str]:
    """What was done, in words."""
    yield from (f"  {line}" for line in (*published.notes, *published.changes))
    commit = f"commit {published.commit[:12]}"
    if published.new:
        yield f"Published {published.reference} ({commit}); every hash was checked."
    else:
        yield f"{published.reference} holds this content already ({commit}, every hash checked): nothing was changed."
