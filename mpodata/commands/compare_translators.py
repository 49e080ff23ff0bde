"""`mpodata compare-translators`: where two translators of one version differ most."""

import argparse
import json
from pathlib import Path

from mpodata.display.terminal import printable
from mpodata.errors import ConfigError
from mpodata.runtime.flags import listed, parts, whole
from mpodata.runtime.whole_files import check_writable, write_text
from mpodata.versions.load import load

HELP = "Say, language by language, where two translators of one version differ most, with intervals."
EXAMPLE = "mpodata compare-translators user/name@v1.2.0 --translators google,nllb-3.3b --html compare.html"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a version with two translators or more")
    parser.add_argument("--translators", type=listed, metavar="A,B", help="which two (default: the only two)")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page")
    parser.add_argument(
        "--examples", type=whole(0), default=5, help="rows to name for each language (default: %(default)s)"
    )
    parser.add_argument("--reveal", action="store_true", help="put the texts of those rows on the page, or in the JSON")
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def run(args: argparse.Namespace) -> int:
    from mpodata.audit.translators import compare_translators
    from mpodata.audit.translators_page import render, table

    if args.reveal and args.html is None and not args.json:
        raise ConfigError("--reveal puts texts on the HTML page or in the JSON: give --html OUT or --json as well.")
    if args.html is not None and not args.html.resolve().parent.is_dir():
        raise ConfigError(f"--html {args.html}: the folder {args.html.resolve().parent} does not exist. Make it first.")
    if args.html is not None:
        check_writable(args.html)
    names = parts(args.translators or "")
    comparison = compare_translators(load(args.reference), names, farthest=args.examples)
    if args.html is not None:
        write_text(args.html, render(comparison, reveal=args.reveal))
    if args.json:
        print(json.dumps(comparison.as_dict(reveal=args.reveal), ensure_ascii=False, indent=2))
        return 0
    for line in table(comparison):
        print(printable(line))
    if args.html is not None:
        print(f"Page: {args.html}")
    return 0
