"""mpodata audit: the quality checks over any multilingual preference data."""

import argparse
import json
import sys
from pathlib import Path

from mpodata.audit.preferences import FORMATS
from mpodata.errors import ConfigError

HELP = "Run the quality checks over any multilingual preference data; counts by language and reason."
EXAMPLE = "mpodata audit preferences.jsonl --against multijail.csv --html audit.html"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="FILE|REF", help="a file, a Hub dataset id, or a version: user/name@v1.2.0")
    parser.add_argument("--format", choices=sorted(FORMATS), help="default: told from the columns")
    parser.add_argument("--dominant", default="en", help="language the others are compared with (default: %(default)s)")
    parser.add_argument("--split", help="of a Hub dataset or a version")
    parser.add_argument("--config", help="of a Hub dataset")
    parser.add_argument("--revision", help="of a Hub dataset")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="FILE", help="evaluation sets whose prompts must not be inside"
    )
    parser.add_argument("--no-refusals", action="store_true", help="the data is not about refusing: skip that check")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with a few examples for each reason")
    parser.add_argument("--examples", type=int, default=5, help="examples for each reason (default: %(default)s)")
    parser.add_argument("--reveal", action="store_true", help="put the texts of the examples on the page")
    parser.add_argument("--json", action="store_true", help="print counts as JSON")


def run(args: argparse.Namespace) -> int:
    from mpodata.audit.findings import audit
    from mpodata.audit.page import render, summary, table
    from mpodata.audit.preferences import preferences
    from mpodata.languages import language
    from mpodata.refusals.rules import RuleDetector
    from mpodata.selection.decontamination import evaluation_sets

    language(args.dominant)
    if args.html is not None and not args.html.resolve().parent.is_dir():
        raise ConfigError(f"--html {args.html}: the folder {args.html.resolve().parent} does not exist. Make it first.")
    if args.reveal and args.html is None:
        raise ConfigError("--reveal puts texts on the HTML page: give --html OUT as well.")
    found = audit(
        preferences(
            args.data,
            format=args.format,
            dominant=args.dominant,
            split=args.split,
            config=args.config,
            revision=args.revision,
        ),
        detector=None if args.no_refusals else RuleDetector(),
        evaluations=evaluation_sets(args.against) if args.against else None,
        examples=max(args.examples, 0),
    )
    if args.html is not None:
        args.html.write_text(render(found, dominant=args.dominant, reveal=args.reveal), encoding="utf-8")
    if args.json:
        json.dump(found.as_dict(), sys.stdout, ensure_ascii=False, indent=2)
        print()
        return 0
    print(summary(found), *table(found), sep="\n")
    for one in found.contamination:
        print(f"{one['set']}: {one['contaminated']} rows hold one of its {one['prompts']:,} prompts")
    for reason, count in sorted(found.unreadable.items()):
        print(f"{count} rows could not be read: {reason}")
    if args.html is not None:
        print(f"Examples: {args.html}")
    return 0
