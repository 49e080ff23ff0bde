"""`mpodata review`: native readers judge a version's rows on a local page."""

import argparse
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from mpodata.display.terminal import printable
from mpodata.runtime.flags import language_codes, parts, whole

HELP = "Open a local page on which a native reader accepts, corrects or drops a version's rows, the worst first."
EXAMPLE = (
    "mpodata review user/name@v1.2.0#nllb-3.3b --reader amina --languages sw\n"
    "  mpodata apply-review user/name@v1.2.0 --reviews name-reviews --out reviewed     (when the readers are done)"
)
SERIAL_ROWS = 1_000  # rows checked in this process before others are started, which takes seconds


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a version; #translator leaves the other translators out")
    parser.add_argument("--reader", required=True, metavar="NAME", help="who reads: the name of the file of decisions")
    parser.add_argument(
        "--languages",
        type=language_codes,
        metavar="CODE,...",
        help="what this reader reads (default: every target language)",
    )
    parser.add_argument(
        "--reviews", type=Path, metavar="DIR", help="folder of the readers' files (default: NAME-reviews, here)"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="only the first N rows, the worst ones")
    parser.add_argument(
        "--no-checks", action="store_true", help="rows in the order of the files, nothing checked first"
    )
    parser.add_argument("--port", type=whole(0, 65_535), default=0, help="on 127.0.0.1 (default: any free one)")
    parser.add_argument("--open", action="store_true", help="open the page in this machine's browser")


def run(args: argparse.Namespace) -> int:
    import webbrowser

    from mpodata.registry import require
    from mpodata.review.decisions import ReviewFile, review_path
    from mpodata.review.queue import judged_configs, queue
    from mpodata.review.server import serve
    from mpodata.review.session import Session
    from mpodata.runtime.processes import ProcessMapper, usual_workers
    from mpodata.runtime.progress import Bars
    from mpodata.versions.load import load

    languages = None if args.languages is None else parts(args.languages)
    for package in ("uvicorn", "starlette"):
        require(package, package=package, purpose="mpodata review", extra="review")
    version = load(args.reference)
    judged_configs(version, languages)
    name = Path(version.name).name or "version"
    path = review_path(args.reviews or Path(f"{name}-reviews"), args.reader)
    with ReviewFile(path, args.reader, version.reference) as file:
        with ProcessMapper(usual_workers(), alone=SERIAL_ROWS) as mapper:
            items = queue(
                version,
                languages=languages,
                checks=not args.no_checks,
                limit=args.limit,
                mapper=mapper,
                progress=Bars(),
            )
        session = Session(items, file, name)
        if stale := session.stale():
            print(f"{stale} earlier decisions were made on other texts: those rows are open again.", file=sys.stderr)
        progress = session.progress()

        def announce(address: str) -> None:
            judged = len(items) - progress["open"]
            print(printable(f"{len(items)} rows of {version.reference}, {judged} judged so far by {args.reader}."))
            print(f"Open {address}")
            print(printable(f"Decisions are kept in {path}. Ctrl-C ends the review."), flush=True)
            if args.open:
                webbrowser.open(address)

        with suppress(KeyboardInterrupt):
            serve(session, args.port, announce)
        progress = session.progress()
    words = ["mpodata", "apply-review", args.reference, "--reviews", str(path.parent)]
    counts = ", ".join(f"{progress[verdict]} {verdict}" for verdict in ("accept", "correct", "drop", "open"))
    print(printable(f"{args.reader}: {counts}. Next: {shlex.join(words)} --out DIR"))
    return 0
