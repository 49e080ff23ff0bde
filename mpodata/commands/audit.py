"""mpodata audit: the quality checks over any multilingual preference data."""

import argparse
import gc
import json
import sys
from pathlib import Path

from mpodata.audit.export import SUFFIXES, write_rows
from mpodata.audit.preferences import FORMATS
from mpodata.errors import ConfigError
from mpodata.runtime.flags import language_code, whole
from mpodata.runtime.whole_files import check_writable, write_text

HELP = "Run the quality checks over any multilingual preference data; counts by language and reason."
EXAMPLE = "mpodata audit preferences.jsonl --against multijail.csv --html audit.html"
SERIAL_ROWS = 1_000  # rows checked in this process before others are started, which takes seconds
SELDOM = 100_000, 20, 100  # the collector's thresholds: rows hold no cycles; to look for some takes 5 % of the time
PASSES = 3  # over each row: its checks, the chosen answer, the rejected one


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="FILE|REF", help="a file, a Hub dataset id, or a version: user/name@v1.2.0")
    parser.add_argument("--format", choices=sorted(FORMATS), help="default: told from the columns")
    parser.add_argument(
        "--dominant", type=language_code, help="language the others are compared with (default: what the data says)"
    )
    parser.add_argument("--split", help="of a Hub dataset or a version")
    parser.add_argument("--config", help="of a Hub dataset")
    parser.add_argument("--revision", help="of a Hub dataset")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="FILE", help="evaluation sets whose prompts must not be inside"
    )
    parser.add_argument("--no-refusals", action="store_true", help="the data is not about refusing: skip that check")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with a few examples for each reason")
    parser.add_argument("--examples", type=whole(0), default=5, help="examples for each reason (default: %(default)s)")
    parser.add_argument("--reveal", action="store_true", help="put the texts of the examples on the page")
    parser.add_argument(
        "--rows", type=Path, metavar="OUT", help="write the id of every row with a finding: .csv, .json or .jsonl"
    )
    parser.add_argument(
        "--workers", type=whole(1), metavar="N", help="processes for the checks (default: one for each core)"
    )
    parser.add_argument("--json", action="store_true", help="print counts, conclusions and row ids as JSON")


def run(args: argparse.Namespace) -> int:
    from mpodata.audit.findings import audit
    from mpodata.audit.page import render, report
    from mpodata.audit.preferences import preferences
    from mpodata.refusals.rules import RuleDetector
    from mpodata.runtime.processes import ProcessMapper, usual_workers
    from mpodata.selection.decontamination import evaluation_sets

    for option, path in (("--html", args.html), ("--rows", args.rows)):
        if path is not None and not path.resolve().parent.is_dir():
            raise ConfigError(f"{option} {path}: the folder {path.resolve().parent} does not exist. Make it first.")
        if path is not None:
            check_writable(path)
    if args.rows is not None and args.rows.suffix not in SUFFIXES:
        raise ConfigError(f"--rows {args.rows}: name a file that ends in {', '.join(SUFFIXES)}.")
    if args.reveal and args.html is None:
        raise ConfigError("--reveal puts texts on the HTML page: give --html OUT as well.")
    data = preferences(
        args.data,
        format=args.format,
        dominant=args.dominant,
        split=args.split,
        config=args.config,
        revision=args.revision,
    )
    gc.set_threshold(*SELDOM)
    with ProcessMapper(args.workers or usual_workers(), alone=PASSES * SERIAL_ROWS) as mapper:
        result = audit(
            data,
            detector=None if args.no_refusals else RuleDetector(),
            evaluations=evaluation_sets(args.against) if args.against else None,
            examples=args.examples,
            mapper=mapper,
        )
    if args.html is not None:
        write_text(args.html, render(result, reveal=args.reveal))
    if args.rows is not None:
        write_rows(args.rows, result)
    if args.json:
        json.dump(result.as_dict(), sys.stdout, ensure_ascii=False, indent=2)
        print()
        return 0
    print(*report(result), sep="\n")
    for option, path in (("Examples", args.html), ("Row ids", args.rows)):
        if path is not None:
            print(f"{option}: {path}")
    return 0
