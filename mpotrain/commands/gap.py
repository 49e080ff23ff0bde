"""`mpotrain gap`: the reward gap of a model per language."""

import argparse
import json
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError
from mpodata.runtime.flags import language_codes, named, number, whole
from mpodata.runtime.whole_files import check_writable
from mpotrain.commands import DTYPES, require_training

HELP = "Measure the reward gap per language: how much likelier a model finds the chosen answers than the rejected ones."
EXAMPLE = (
    "mpotrain gap --dataset user/refusals@v1.0.0#nllb-3.3b --model runs/mpo --base meta-llama/Llama-3.1-8B-Instruct"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--dataset", required=True, help="dataset version (NAME@v1.2.0 or a folder), or a table")
    parser.add_argument("--model", required=True, help="model to measure: a folder, a run's folder, a Hub id")
    parser.add_argument("--base", help="model to compare with in DPO's form (default: the one a run started from)")
    parser.add_argument("--translator", help="whose translations; needed where a version has several")
    parser.add_argument("--languages", type=language_codes, help="target languages: zh,sw (default: all)")
    parser.add_argument(
        "--split", help="which rows: train, test, all (default: test, or train where the version has no test rows)"
    )
    parser.add_argument("--kind", choices=("harmful", "harmless", "all"), default="harmful", help="which pairs")
    parser.add_argument("--beta", type=number(0, above=True), default=0.1, help="of DPO's form (default: 0.1)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (default: float32)")
    parser.add_argument("--max-length", type=whole(2), default=2048, help="longest prompt + answer in tokens")
    parser.add_argument(
        "--chat-template", type=named, default="tokenizer", metavar="CHOICE",
        help="tokenizer (default: the model's own; a run's is the one it was trained with), authors, a Jinja file, or "
        "a run's folder: its template, for the model that it started from",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")


def run(args: argparse.Namespace) -> int:
    """Measure, print a table or JSON, and write JSON where asked."""
    record = perform(args)
    print(json.dumps(record, indent=2) if args.json else table(record))
    return 0


def perform(args: argparse.Namespace) -> dict[str, Any]:
    """Measure; returns the figures with what made them, and writes them to --out."""
    require_training("gap")
    if args.out is not None:
        if args.out.is_dir():
            raise ConfigError(f"--out {args.out} is a folder: name a file, for example {args.out / 'gap.json'}.")
        check_writable(args.out)
    from trl import ModelConfig

    from mpodata.about import cache_folder
    from mpodata.runtime.journal import Journal
    from mpodata.runtime.progress import Bars
    from mpotrain.config import DataConfig
    from mpotrain.data import tokenise
    from mpotrain.evaluation.gaps import as_json, reward_gaps
    from mpotrain.model.loading import load_tokenizer
    from mpotrain.runs import base_of, write_json
    from mpotrain.tables import open_dataset
    from mpotrain.training.run import select

    loaded = open_dataset(args.dataset)
    data = DataConfig(dataset=args.dataset, translator=args.translator, languages=args.languages)
    split = args.split or loaded.measured_split()
    pairs = [pair for pair in select(loaded, data, split) if args.kind in ("all", pair.kind)]
    rows = tokenise(pairs, load_tokenizer(args.model, chat_template=args.chat_template), args.max_length)
    base = args.base or base_of(args.model)
    with Journal(cache_folder() / "reference.sqlite") as journal:
        gaps = reward_gaps(
            ModelConfig(args.model, dtype=args.dtype),
            rows.trained("all"),
            base=None if base is None else ModelConfig(base, dtype=args.dtype),
            beta=args.beta,
            journal=journal,
            progress=Bars(),
        )
    record: dict[str, Any] = {
        "model": args.model,
        "base": base,
        "chat_template": args.chat_template,
        "data": {"reference": loaded.reference, "commit": loaded.commit, "split": split, "kind": args.kind},
        "dominant": rows.dominant_language,
        "beta": args.beta,
        "languages": as_json(gaps),
    }
    if args.out is not None:
        write_json(args.out, record)
    return record


def split_words(split: str) -> str:
    """ "the test split", "all splits"."""
    return "all splits" if split == "all" else f"the {split} split"


def table(record: dict[str, Any]) -> str:
    """The figures for a person: dominant language first."""
    lines = [
        f"{record['data']['kind']} pairs of {split_words(record['data']['split'])} of {record['data']['reference']}"
    ]
    lines.append("language  pairs  reward gap per token (95 %)   chosen likelier   DPO form")
    for code, gap in sorted(record["languages"].items(), key=lambda item: item[0] != record["dominant"]):
        interval, dpo = gap["per_token"], gap["dpo"]
        figure = f"{interval['value']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"
        form = "" if dpo is None else f"{dpo['value']:+.3f}"
        lines.append(f"{code:<8}  {interval['n']:>5}  {figure:<28}  {gap['accuracy']:>14.0%}   {form}")
    return "\n".join(lines)
