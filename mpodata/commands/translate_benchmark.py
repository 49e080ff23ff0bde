"""`mpodata translate-benchmark`: XSTest's prompts in other languages, as a versioned benchmark."""

import argparse
import sys
from inspect import signature
from pathlib import Path
from typing import Any

from mpodata.benchmarks.translate import ORIGINAL, original, translated
from mpodata.benchmarks.version import check_place, write_version
from mpodata.benchmarks.xstest import read_xstest
from mpodata.commands.build import finishing_blocks, open_journal
from mpodata.errors import ConfigError, RemoteError
from mpodata.pipeline.components import Components
from mpodata.recipe import read_recipe
from mpodata.registry import resolve
from mpodata.runtime.flags import language_codes, parts
from mpodata.runtime.journal import Journal
from mpodata.translators import TRANSLATORS
from mpodata.translators.document import DocumentTranslator
from mpodata.versions.semver import Bump

SETTINGS = ("translator.", "engine.", "sampling.")  # the parts of a recipe that a translation depends on

HELP = "Translate XSTest's safe and unsafe prompts into other languages: an over-refusal benchmark with versions."
EXAMPLE = (
    "mpodata translate-benchmark xstest_prompts.csv --translator nllb-3.3b --languages zh,ar,bn,sw \\\n"
    "      --out ./benchmarks/xstest-multilingual\n"
    "  mpotrain eval --model MODEL --benchmarks xstest --data xstest=./benchmarks/xstest-multilingual --out evals"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="XSTest's table: id, prompt, type, label, focus, note")
    parser.add_argument("--translator", required=True, help="google, nllb-3.3b, madlad-3b, llm, ...")
    parser.add_argument(
        "--languages",
        required=True,
        type=language_codes,
        metavar="A,B",
        help="target languages, codes or English names",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="ROOT/NAME", help="the benchmark; its versions are folders in it"
    )
    parser.add_argument("--model", help="with --translator llm or selftrans: who translates")
    parser.add_argument("--engine", help="with --model: vllm, transformers or openai")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="translator.device=cuda, engine.base_url=..."
    )
    parser.add_argument("--journal", type=Path, help="where results are kept (default: $MPODATA_CACHE/journal.sqlite)")


def run(args: argparse.Namespace) -> int:
    codes = parts(args.languages)
    if ORIGINAL in codes:
        raise ConfigError("--languages names en, XSTest's own language, which every version holds: leave it out.")
    _check_heeded(args)
    check_place(args.out)
    table = read_xstest(args.file)
    with open_journal(args.journal) as journal, finishing_blocks(journal):
        translator = _translator(args, journal)
        translator.ready([prompt.prompt for prompt in table.prompts], codes)
        made = {ORIGINAL: original(table)}
        for code in codes:
            made[code] = translated(table, code, args.translator, translator, _say)
    failed = sum(file.facts["dropped"].get("service", 0) for file in made.values())
    if failed:
        raise RemoteError(f"{failed} prompts were not translated because the service did not answer. Run it again.")
    version, bump = write_version(args.out, table.provenance, made)
    if bump is Bump.NONE:
        print(f"Nothing changed: {version.folder} is this version already.")
        return 0
    print(f"{version.folder}: {len(version.languages)} languages, licence {version.manifest['licence']}")
    for code, facts in version.manifest["languages"].items():
        dropped = ", ".join(f"{reason} {count}" for reason, count in facts["dropped"].items())
        left_out = f"; left out: {dropped}" if dropped else ""
        print(f"  {code:<4} {facts['safe']} safe, {facts['unsafe']} unsafe{left_out}")
    print(f"\nNext: mpotrain eval --model MODEL --benchmarks xstest --data xstest={args.out} --out evals")
    return 0


def _check_heeded(args: argparse.Namespace) -> None:
    """Raise ConfigError for a flag that nothing would heed."""
    factory = resolve("translator", TRANSLATORS, args.translator)
    for flag, value in (("--model", args.model), ("--engine", args.engine)):
        if value is not None and "engine" not in signature(factory).parameters:
            raise ConfigError(f"{flag} {value}: {args.translator} asks no chat model, leave it out.")
    for setting in args.set:
        if not setting.startswith(SETTINGS):
            raise ConfigError(f"--set takes translator.OPTION=VALUE or engine.OPTION=VALUE, got {setting!r}.")


def _translator(args: argparse.Namespace, journal: Journal) -> DocumentTranslator:
    """The translator; raises ConfigError for one whose results are answers rather than translations."""
    flags: dict[str, Any] = {"translator.name": args.translator, "model": args.model, "engine.name": args.engine}
    recipe = read_recipe(None, args.set, {key: value for key, value in flags.items() if value is not None})
    translator = Components(recipe, journal).translator
    if not isinstance(translator, DocumentTranslator):
        names = ", ".join(name for name in TRANSLATORS if name not in ("lidr", "mapo", "icr"))
        raise ConfigError(f"{args.translator} answers prompts and does not translate them: take one of {names}.")
    return translator


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
