"""`mpodata build-native`: refusal pairs written in each language itself, from slots of category and style."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from mpodata.commands.build import finishing_blocks, open_journal
from mpodata.engines import ENGINES, Engine
from mpodata.errors import ConfigError, VersionExists
from mpodata.native.build import NativeBuild, build_native
from mpodata.refusals import DETECTORS
from mpodata.refusals.guards import Guard
from mpodata.refusals.prompt_guards import check_judges_prompts
from mpodata.registry import construct
from mpodata.runtime.flags import by_part, language_codes, listed, number, parts, setting, whole
from mpodata.runtime.journal import Journal
from mpodata.versions.reference import is_version_folder

HELP = "Build refusal pairs natively in each language from slots of (category, style), as RefusEU does."
EXAMPLE = (
    "mpodata build-native slots.csv --languages en,pl,cs --generator mistralai/Mistral-Small-24B-Instruct-2501 \\\n"
    "      --refuser meta-llama/Llama-3.1-70B-Instruct --rejected-model MODEL --engine vllm --out native"
)
MODELS = ("generator", "refuser", "rejected")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slots", metavar="SLOTS", help="a table of your own: category, style, topic, example, language")
    parser.add_argument("--languages", required=True, type=language_codes, metavar="A,B", help="codes or English names")
    parser.add_argument("--per-slot", type=whole(1), default=10, help="prompts of a slot and language (default: 10)")
    parser.add_argument("--generator", required=True, metavar="MODEL", help="who writes the prompts")
    parser.add_argument(
        "--refuser", required=True, metavar="MODEL", help="who writes the chosen answers, told to refuse"
    )
    parser.add_argument(
        "--rejected-model", required=True, metavar="MODEL",
        help="who writes the rejected answers: any model of your choice; its answers are filtered as all others",
    )  # fmt: skip
    parser.add_argument(
        "--guards", type=listed, default="llama-guard-3,polyguard", help="two guards (default: RefusEU's)"
    )
    parser.add_argument("--engine", default="transformers", help=f"of the three models: {', '.join(ENGINES)}")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="generator.OPTION=VALUE, refuser., rejected., or a guard's: polyguard.engine=openai; generator.engine too",
    )  # fmt: skip
    parser.add_argument("--test-share", type=number(0, 1), default=0.1, help="of the (category, style) groups (0.1)")
    parser.add_argument("--seed", type=int, default=42, help="of the prompts and the split (default: 42)")
    parser.add_argument("--journal", type=Path, help="where results are kept (default: $MPODATA_CACHE/journal.sqlite)")
    parser.add_argument("--out", required=True, type=Path, help="folder of the new version")


def run(args: argparse.Namespace) -> int:
    codes = tuple(parts(args.languages))
    if len(set(codes)) < len(codes):
        raise ConfigError("--languages names a language twice.")
    guards = parts(args.guards)
    if len(guards) != 2 or guards[0] == guards[1]:
        raise ConfigError("--guards takes two different guards, as llama-guard-3,polyguard.")
    for name in guards:
        check_judges_prompts(name)
    options = by_part(args.settings, (*MODELS, *guards))
    if not Path(args.slots).is_file():
        raise ConfigError(f"There is no file {args.slots}: give a table of slots.")
    if is_version_folder(str(args.out)):
        raise VersionExists(f"{args.out} holds a complete version already. Choose another --out, or remove it.")
    with open_journal(args.journal) as journal, finishing_blocks(journal):
        wanted = NativeBuild(
            slots=args.slots, languages=codes, per_slot=args.per_slot, test_share=args.test_share, seed=args.seed,
            generator=_engine(args.generator, args.engine, options["generator"]),
            refuser=_engine(args.refuser, args.engine, options["refuser"]),
            rejected=_engine(args.rejected_model, args.engine, options["rejected"]),
            guards=(_guard(guards[0], options, journal), _guard(guards[1], options, journal)),
        )  # fmt: skip
        manifest = build_native(wanted, args.out, journal, shlex.join(args.words), _say)
    print(f"{args.out}: {sum(config.rows for config in manifest.configs.values())} rows, not parallel")
    for name, config in manifest.configs.items():
        lost = ", ".join(f"{count} {reason}" for reason, count in config.dropped.items())
        splits = ", ".join(f"{file.rows} {split}" for split, file in config.splits.items())
        print(f"  {name:<12} {splits}{f'; dropped: {lost}' if lost else ''}")
    place = shlex.quote(str(args.out))
    print(f"Next: mpodata audit {place} --html audit.html --examples 20   |   mpodata publish {place} --to NAME")
    return 0


def _engine(model: str, engine: str, options: dict[str, Any]) -> Engine:
    own = {key: value for key, value in options.items() if key != "engine"}
    made: Engine = construct("engine", ENGINES, str(options.get("engine", engine)), own, model=model)
    made.check_installed()
    return made


def _guard(name: str, options: dict[str, dict[str, Any]], journal: Journal) -> Guard:
    made = construct("detector", DETECTORS, name, options[name], journal=journal)
    assert isinstance(made, Guard)
    return made


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
