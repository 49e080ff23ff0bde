"""`mpodata show`: one pair, its languages side by side; harmful text only when asked for."""

import argparse
import json
import shutil
import textwrap
from dataclasses import asdict

from mpodata.display.terminal import LINE_BREAK, printable
from mpodata.records import COUNTERWEIGHT, FIELDS
from mpodata.versions.human import human_fields
from mpodata.versions.load import load
from mpodata.versions.show import Shown, rows_of_pair

HELP = "Show one pair in every language. Harmful prompts and rejected answers stay hidden without --reveal."
EXAMPLE = "mpodata show user/name@v1.2.0 --pair 17"
NARROWEST = 20  # characters of text in a line, however narrow the terminal says it is


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a version; #translator leaves the other translators out")
    parser.add_argument("--pair", required=True, metavar="N|ID", help="a number from 1, or a pair_id")
    parser.add_argument("--reveal", action="store_true", help="show harmful text too")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, hidden text as null")


def run(args: argparse.Namespace) -> int:
    version = load(args.reference)
    sides = rows_of_pair(version, args.pair)
    if args.json:
        rows = json.dumps([_as_json(shown, args.reveal) for shown in sides], indent=2, ensure_ascii=False)
        print(printable(rows, keep=LINE_BREAK))
        return 0
    first = sides[0].row
    ids = f"({first.category or 'no category'}, {first.source_id or 'no id'})"
    print(printable(f"pair {first.pair_id} of {version.reference} {ids}"))
    for shown in sides:
        _print(shown, args.reveal)
    return 0


def _print(shown: Shown, reveal: bool) -> None:
    human = human_fields(shown.row.side)
    by_hand = f", {' and '.join(human)} by a native reader" if human else ""
    print(f"\n{shown.config} ({shown.split}{by_hand})")
    quality = asdict(shown.row.quality)
    width = max(NARROWEST, min(shutil.get_terminal_size().columns, 120) - 13)
    for field in ("prompt", "chosen", "rejected"):
        text = _visible(shown, field, reveal)
        lines = [f"({len(getattr(shown.row.side, field))} characters, hidden: --reveal)"] if text is None else [
            part for line in text.splitlines() for part in textwrap.wrap(line, width) or [""]
        ]  # fmt: skip
        for number, line in enumerate(lines or ["(empty)"]):
            print(printable(f"  {field if number == 0 else '':<9} {line}"))
        maker = dict(zip(FIELDS, shown.row.side.translators or (), strict=False)).get(field)
        measured: dict[str, object] = {"by": maker} if maker else {}
        measured |= {
            key.removeprefix(f"{field}_").replace("_", " "): value
            for key, value in quality.items()
            if key.startswith(field) and value is not None
        }
        if measured:
            figures = ", ".join(f"{key} {_figure(value)}" for key, value in measured.items())
            print(printable(f"  {'':<9} [{figures}]"))


def _visible(shown: Shown, field: str, reveal: bool) -> str | None:
    """The text of a field; None where it may be harmful and was not asked for."""
    harmless = shown.row.category == COUNTERWEIGHT or field == "chosen"
    text: str = getattr(shown.row.side, field)
    return text if reveal or harmless else None


def _as_json(shown: Shown, reveal: bool) -> dict[str, object]:
    row = asdict(shown.row)
    texts = {field: _visible(shown, field, reveal) for field in ("prompt", "chosen", "rejected")}
    return {"config": shown.config, "split": shown.split, **row, "side": {**row["side"], **texts}}


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
