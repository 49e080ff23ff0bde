"""`mpodata build`: from a recipe and flags to a dataset version."""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpodata.about import cache_folder
from mpodata.errors import ConfigError, RemoteError
from mpodata.pipeline.build import MakeRunner, build
from mpodata.pipeline.existing import unanswered
from mpodata.recipe import REFUSAL_PROMPT, Recipe, read_recipe
from mpodata.runtime.flags import language_code, language_codes_or_none, listed, number, parts, whole
from mpodata.runtime.journal import Journal
from mpodata.runtime.processes import usual_workers
from mpodata.runtime.progress import Bars
from mpodata.runtime.remote import STOP
from mpodata.sources import SOURCES
from mpodata.versions.load import load
from mpodata.versions.manifest import Manifest
from mpodata.versions.publish import dataset_store, publish
from mpodata.versions.semver import SemVer

HELP = "Build refusal preference pairs and translate them into other languages."
EXAMPLE = (
    "mpodata build --source PKU-Alignment/PKU-SafeRLHF --model meta-llama/Llama-3.1-8B-Instruct --engine vllm \\\n"
    "      --translator nllb-3.3b --languages zh,ja,ko,ar,bn,sw --samples 100 --out refusals\n"
    "  mpodata build --recipe quickstart --out pocket-refusals"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    recipe_arguments(parser)
    parser.add_argument("--out", type=Path, help="folder of the new version (default: the recipe's name)")
    parser.add_argument("--add-to", metavar="REF", help="add to this version: its other configs stay byte-identical")
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="publish to the Hub when built (private and gated)")
    parser.add_argument("--version", metavar="X.Y.Z", help="with --push-to-hub: raise the version")
    parser.add_argument("--public", action="store_true", help="with --push-to-hub: a public dataset")
    parser.add_argument(
        "--no-gated", dest="gated", action="store_false", help="with --push-to-hub: do not require access requests"
    )
    parser.add_argument("--scale", choices=["local", "ray"], default="local", help="where the stages run")
    parser.add_argument(
        "--workers",
        type=whole(1),
        help="processes that check rows (default: the cores, at most 4); with --scale ray: actors, each with models",
    )
    parser.add_argument("--cpus-per-worker", type=number(0, above=True), help="with --scale ray (default 1)")
    parser.add_argument("--gpus-per-worker", type=number(0), help="with --scale ray (default 0)")


def recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """What a build and a plan are told."""
    parser.add_argument("--recipe", help="a YAML file, or a recipe that ships: quickstart, mpo-paper")
    parser.add_argument("--source", help=f"a file, a Hub dataset id, or one of: {', '.join(SOURCES)}")
    parser.add_argument("--source-columns", metavar="OURS=THEIRS,...", help="columns of a table: prompt=question,...")
    parser.add_argument("--chosen", choices=["policy", "source"], help="who refuses: the model, or the source's answer")
    parser.add_argument("--model", help="the policy: a Hub id, a folder, or pocket-chat")
    parser.add_argument("--revision", help="the policy's revision on the Hub")
    parser.add_argument(
        "--refusal-prompt",
        nargs="?",
        const=REFUSAL_PROMPT,
        metavar="TEXT",
        help="a system message for harmful prompts, for a model that seldom refuses; the manifest records it, and "
        "training does not see it (without TEXT: one in English)",
    )
    parser.add_argument("--engine", help="vllm, transformers, openai or replay")
    parser.add_argument("--translator", help="google, nllb-3.3b, madlad-3b, selftrans, lidr, mapo, icr, ...")
    parser.add_argument(
        "--languages",
        type=language_codes_or_none,
        help="target languages, codes or English names: zh,ja,ko,ar,bn,sw ('' for none: the dominant side alone)",
    )
    parser.add_argument("--dominant", type=language_code, help="the language the model is safe in (default en)")
    parser.add_argument("--samples", type=int, help="harmful prompts to take (default: all)")
    parser.add_argument(
        "--pairs",
        type=int,
        metavar="N",
        help="exactly N pairs in every language: prompts that are dropped are replaced",
    )
    parser.add_argument("--seed", type=int, help="of the sample, the answers and the train/test split (default 42)")
    parser.add_argument(
        "--decontaminate", type=listed, metavar="FILE,...", help="evaluation files whose prompts are left out"
    )
    parser.add_argument(
        "--checks", choices=["drop", "keep"], help="a row that fails a check: drop it, or keep and count"
    )
    parser.add_argument("--round-trip", action="store_true", default=None, help="translate back and measure chrF")
    parser.add_argument(
        "--quality-estimation",
        metavar="ADDRESS|COMMAND",
        help="score every translation without a reference: scripts/quality_estimation.py, or what speaks like it",
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any recipe key, repeatable")
    parser.add_argument("--journal", type=Path, help="where results are kept (default: $MPODATA_CACHE/journal.sqlite)")


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the flags describe."""
    same_name = (
        "chosen", "model", "revision", "refusal_prompt", "dominant", "samples", "pairs", "seed", "checks", "round_trip",
        "quality_estimation",
    )  # fmt: skip
    flags: dict[str, Any] = {name: getattr(args, name) for name in same_name}
    flags |= {"engine.name": args.engine, "translator.name": args.translator}
    flags |= {"languages": _listed(args.languages), "decontaminate": _listed(args.decontaminate)}
    if args.source:
        flags["source"] = {"name" if args.source in SOURCES else "path": args.source}
    if args.source_columns:
        flags["source.columns"] = dict(_column(part) for part in args.source_columns.split(","))
    return read_recipe(args.recipe, args.set, {key: value for key, value in flags.items() if value is not None})


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else parts(text)


def _column(part: str) -> tuple[str, str]:
    ours, equals, theirs = part.partition("=")
    if not equals:
        raise ConfigError(f"--source-columns takes ours=theirs, got {part!r}. Example: prompt=question,rejected=answer")
    return ours.strip(), theirs.strip()


def run(args: argparse.Namespace) -> int:
    _check_heeded(args)
    recipe = recipe_of(args)
    out = args.out or Path(recipe.name)
    with open_journal(args.journal) as journal, finishing_blocks(journal):
        manifest = build(
            recipe,
            out,
            journal=journal,
            command=shlex.join(args.words),
            base=args.add_to and load(args.add_to).folder,
            runner=_on_ray(args) if args.scale == "ray" else None,
            progress=Bars(),
            workers=1 if args.scale == "ray" else args.workers or usual_workers(),
        )
    _summary(manifest, out, journal)
    if lost := unanswered({name: config.dropped for name, config in manifest.configs.items()}):
        what = ", ".join(f"{count} of {name}" for name, count in lost.items())
        raise RemoteError(
            f"Rows were lost because a service or an engine did not answer ({what}). Run the same command again: "
            "it asks for these alone."
        )
    if args.push_to_hub:
        published = publish(
            out,
            args.push_to_hub,
            version=args.version,
            public=args.public,
            gated=args.gated,
            say=lambda step: print(f"  {step} ...", file=sys.stderr),
        )
        print(f"Published {published.reference} (commit {published.commit[:12]}); every hash was checked.")
    return 0


def _check_heeded(args: argparse.Namespace) -> None:
    """Raise ConfigError for a flag that nothing would heed, VersionError for a name or number that cannot be."""
    publishing = {"--version": args.version, "--public": args.public, "--no-gated": not args.gated}
    scaling = {"--cpus-per-worker": args.cpus_per_worker, "--gpus-per-worker": args.gpus_per_worker}
    for flags, needed, heeded in (
        (publishing, "--push-to-hub USER/NAME", args.push_to_hub),
        (scaling, "--scale ray", args.scale == "ray"),
    ):
        for flag, value in flags.items():
            if value is not None and value is not False and not heeded:
                raise ConfigError(f"{flag} says how something is done that is not asked for: add {needed}, or drop it.")
    if args.push_to_hub:
        dataset_store(args.push_to_hub)
    if args.version:
        SemVer.parse(args.version)


def _on_ray(args: argparse.Namespace) -> MakeRunner:
    from mpodata.pipeline.ray import RayRunner

    resources = {"workers": args.workers or 1, "cpus": args.cpus_per_worker or 1, "gpus": args.gpus_per_worker or 0}
    return lambda tools, scratch: RayRunner(tools.recipe, tools.journal, scratch, **resources)


def open_journal(path: Path | None) -> Journal:
    return Journal(path or cache_folder() / "journal.sqlite")


@contextmanager
def finishing_blocks(journal: Journal) -> Iterator[None]:
    """Ctrl-C finishes and records the block in flight, remote requests for seconds only; a second one stops at once."""
    asked = False

    def ask(number: int, frame: object) -> None:  # noqa: ARG001
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        STOP.set()
        print("\nFinishing the block in flight; press Ctrl-C again to stop at once.", file=sys.stderr)

    def stop_if_asked() -> None:
        if asked:
            raise KeyboardInterrupt

    STOP.clear()
    before = signal.signal(signal.SIGINT, ask)
    journal.after_block = stop_if_asked
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        STOP.clear()


def _summary(manifest: Manifest, out: Path, journal: Journal) -> None:
    """What was built: rows and drops of each config, and what the journal saved."""
    print(f"\n{out}: {sum(config.rows for config in manifest.configs.values())} rows, licence {manifest.licence}")
    for name, config in manifest.configs.items():
        splits = ", ".join(f"{file.rows} {split}" for split, file in config.splits.items()) or "no rows"
        print(f"  {name:<20} {splits}{_reasons(config.dropped)}")
    for made in manifest.builds.values():
        for line in shortfall_lines(made.get("shortfall", {})):
            print(f"  {line}")
        for stage, reasons in made["dropped"].items():
            print(f"  {stage:<20} {_reasons(reasons).lstrip('; ')}")
        for config_name, reasons in made["checks"].get("flagged", {}).items():
            print(f"  {config_name:<20} kept all the same: {_counts(reasons)}")
    print(f"Journal: {journal.hits} results found, {journal.misses} computed. Drops: {out}.work/drops.jsonl")
    place = shlex.quote(str(out))
    print(f"Next: mpodata publish {place} --to NAME   |   mpodata show {place} --pair 1")


def shortfall_lines(shortfall: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line for each number of rows that was asked for and that the source does not have."""
    return [f"{key}: {counts['asked']} rows asked, only {counts['taken']} there" for key, counts in shortfall.items()]


def _reasons(counts: Mapping[str, int]) -> str:
    return f"; dropped: {_counts(counts)}" if counts else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))
