"""`mpotrain report`: one page from training and evaluation runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mpodata.display.terminal import printable
from mpodata.errors import ConfigError
from mpodata.runtime.flags import whole
from mpodata.runtime.whole_files import check_writable

if TYPE_CHECKING:
    from mpotrain.evaluation.report.comparison import Comparison

HELP = "Write one page (HTML, with Markdown and JSON twins) that compares evaluated models, language by language."
EXAMPLE = "mpotrain report evals/mpo evals/dpo --out report.html --published"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="RUN_OR_EVAL", help="evaluation folders, or training runs with RUN/eval"
    )
    parser.add_argument(
        "--against", type=Path, metavar="RUN_OR_EVAL",
        help="what to compare with (default: the base model's evaluation, else the first of several paths)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="page to write (default: report.html)")
    parser.add_argument(
        "--published", "--paper", nargs="?", const="auto", metavar="TABLE,...", dest="published",
        help="show the papers' figures beside: mpo-table-2,mpo-table-10 (alone: those of the benchmarks asked)",
    )  # fmt: skip
    parser.add_argument(
        "--show-text", type=whole(0), default=0, metavar="N",
        help="put N answers of each class and language on the page, folded away; they may be harmful (default: 0)",
    )  # fmt: skip


def perform(args: argparse.Namespace) -> list[Path]:
    """Write the page and its twins; returns their paths."""
    return _written(args)[0]


def run(args: argparse.Namespace) -> int:
    """Write the page; print what it says in words."""
    from mpotrain.evaluation.report.comparison import summary

    written, comparison = _written(args)
    for title, statements in summary(comparison):
        print(printable(title))
        for statement in statements:
            print(printable(f"  - {statement.text}"))
    print(f"wrote {', '.join(str(path) for path in written)}")
    return 0


def _written(args: argparse.Namespace) -> "tuple[list[Path], Comparison]":
    from mpotrain.evaluation.report.comparison import gather
    from mpotrain.evaluation.report.page import pages, write_report

    tables = args.published.split(",") if args.published else []
    if args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a folder: name a file, for example {args.out / 'report.html'}.")
    for written in pages(args.out):
        check_writable(written)
    comparison = gather(args.paths, args.against)
    return write_report(comparison, args.out, published=tables, texts=args.show_text), comparison
