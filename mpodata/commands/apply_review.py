"""`mpodata apply-review`: the readers' decisions make the next version."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mpodata.display.terminal import printable
from mpodata.errors import ConfigError, DataError
from mpodata.review.decisions import DISAGREEMENTS

HELP = "Make the next version from native readers' decisions: corrected texts replace, dropped rows leave."
EXAMPLE = "mpodata apply-review user/name@v1.2.0 --reviews name-reviews --out reviewed --to user/name"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="the version that was read")
    parser.add_argument(
        "--reviews", nargs="+", required=True, type=Path, metavar="FILE", help="the readers' files, or their folder"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the new version")
    parser.add_argument("--to", metavar="NAME", help="publish it: user/name on the Hub, or a folder ROOT/NAME")
    parser.add_argument(
        "--version", metavar="X.Y.Z", help="with --to: raise the version; default: the smallest allowed"
    )
    parser.add_argument(
        "--disagreements",
        choices=list(DISAGREEMENTS),
        default="stop",
        help="rows that readers decided differently: "
        + "; ".join(f"{name}: {meaning}" for name, meaning in DISAGREEMENTS.items())
        + " (default %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    from mpodata.commands.publish import lines
    from mpodata.review.apply import apply_reviews
    from mpodata.review.decisions import read_reviews
    from mpodata.versions.diff import compare
    from mpodata.versions.load import load
    from mpodata.versions.publish import dataset_store, publish
    from mpodata.versions.semver import SemVer

    if args.out is None and args.to is None:
        raise ConfigError("Nothing would be written: give --out DIR, --to NAME, or both.")
    if args.version is not None and args.to is None:
        raise ConfigError("--version is the number under which a version is published: give --to NAME as well.")
    if args.to is not None:
        dataset_store(args.to)
    if args.version is not None:
        SemVer.parse(args.version)
    before = load(args.reference)
    reviews = [read_reviews(path) for path in _files(args.reviews)]
    with tempfile.TemporaryDirectory(prefix="mpodata-") as aside:
        out = args.out or Path(aside) / "reviewed"
        apply_reviews(before, reviews, out, disagreements=args.disagreements)
        change = compare(before, load(out))
        readers = ", ".join(f"{review.reader} {len(review.decisions)}" for review in reviews)
        print(printable(f"{before.reference}, rows judged: {readers}"))
        for line in change.lines() or ["No row changed: what was judged is recorded."]:
            print(printable(f"  {line}"))
        print(f"smallest version step: {change.bump.name.lower()}")
        if args.out is not None:
            print(printable(f"Wrote {args.out}."))
        if args.to is not None:
            published = publish(
                out, args.to, version=args.version, say=lambda step: print(printable(f"  {step} ..."), file=sys.stderr)
            )
            print(*map(printable, lines(published)), sep="\n")
    return 0


def _files(paths: list[Path]) -> Iterator[Path]:
    """The named files, and those in named folders."""
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.jsonl"))
            if not inside:
                raise DataError(f"{path} holds no review. Name the folder or the files that `mpodata review` wrote.")
            yield from inside
        else:
            yield path
