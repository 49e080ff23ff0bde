"""`mpodata original-pairs`: every training pair that MAPO's or LIDR's own code makes of a version."""

import argparse
import json
import sys
from pathlib import Path

from mpodata.commands.build import finishing_blocks, open_journal
from mpodata.errors import ConfigError, UnknownName
from mpodata.hub import is_hub_id
from mpodata.pipeline.original_pairs import OriginalPairs
from mpodata.runtime.flags import language_codes, parts
from mpodata.runtime.whole_files import check_writable, write_text
from mpodata.versions.load import load

HELP = "Write every training pair that MAPO or LIDR make of a version, as their authors train on them."
EXAMPLE = "mpodata original-pairs ./mapo-refusals --out mapo-pairs.jsonl"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a version's folder, built with --translator mapo or lidr")
    parser.add_argument("--translator", help="which, where the version has several")
    parser.add_argument("--languages", type=language_codes, metavar="A,B", help="target languages (default: all)")
    parser.add_argument("--split", default="train", help="which rows (default: train)")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.jsonl", help="prompt, chosen, rejected, ...")
    parser.add_argument("--journal", type=Path, help="the build's (default: $MPODATA_CACHE/journal.sqlite)")


def run(args: argparse.Namespace) -> int:
    if is_hub_id(args.reference.partition("@")[0].partition("#")[0]) and not Path(args.reference).exists():
        raise ConfigError(
            f"{args.reference} is on the Hub: its recipe would run models here that others named. Download it, read "
            "its manifest.json, and give its folder."
        )
    if args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a folder: name a file, for example {args.out / 'pairs.jsonl'}.")
    check_writable(args.out)
    version = load(args.reference)
    translator = args.translator or version.translator or _only(version.translators(), args.reference)
    available = version.languages(translator)
    wanted = parts(args.languages or "") or list(available)
    if unknown := next((code for code in wanted if code not in available), None):
        raise UnknownName(f"{translator} language", unknown, available)
    if args.split not in version.splits():
        raise UnknownName("split", args.split, version.splits())
    lines: list[str] = []
    with open_journal(args.journal) as journal, finishing_blocks(journal):
        for code in wanted:
            pairs = OriginalPairs(version, translator, code, journal)
            made = [json.dumps(row, ensure_ascii=False) for row in pairs.rows(args.split)]
            lines += made
            dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(pairs.dropped.items()))
            print(f"  {code}: {len(made)} pairs of {pairs.prompts} prompts" + (f"; {dropped}" if dropped else ""))
    write_text(args.out, "".join(f"{line}\n" for line in lines))
    print(f"{args.out}: {len(lines)} pairs by {translator}", file=sys.stderr)
    return 0


def _only(translators: tuple[str, ...], reference: str) -> str:
    if len(translators) != 1:
        named = ", ".join(translators) or "none"
        raise ConfigError(f"{reference} holds the translators {named}: choose one with --translator.")
    return translators[0]
