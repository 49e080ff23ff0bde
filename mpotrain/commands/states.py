"""`mpotrain states`: last-layer states of prompts with appended safe and unsafe answers (the MPO paper's Figure 5)."""

import argparse
import json
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError
from mpodata.runtime.flags import language_code, language_codes, named
from mpodata.runtime.whole_files import check_writable
from mpotrain.commands import DTYPES, require_training

HELP = "Draw last-layer states of prompts with a safe and an unsafe answer appended (the MPO paper's Figure 5)."
EXAMPLE = (
    "mpotrain states --pairs answered.csv --model pocket-chat --model runs/mpo --languages en,sw --out states.html"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--pairs", required=True,
        help="a table with columns prompt, safe, unsafe, language (or their usual other names), or a dataset version",
    )  # fmt: skip
    parser.add_argument("--model", action="append", required=True, help="model or run's folder; repeat to compare")
    parser.add_argument("--languages", type=language_codes, help="only these: en,sw (default: all)")
    parser.add_argument(
        "--language", type=language_code, default="en", help="of rows whose table has no language column (default: en)"
    )
    parser.add_argument("--split", choices=("train", "test", "all"), help="of a version (default: test, else train)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (default: float32)")
    parser.add_argument(
        "--chat-template", type=named, default="tokenizer", metavar="CHOICE",
        help="tokenizer (default: the model's own; a run's is the one it was trained with), authors, a Jinja file, or "
        "a run's folder: its template, for the model that it started from",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("states.html"), help="page to write, with a JSON twin")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")


def run(args: argparse.Namespace) -> int:
    """Measure and draw; print the separation per model and language."""
    record = perform(args)
    print(json.dumps(record, indent=2) if args.json else table(record))
    if not args.json:
        print(f"wrote {', '.join(map(str, pages(args.out)))}")
    return 0


def pages(out: Path) -> tuple[Path, Path]:
    """The page and its JSON twin that are written for --out."""
    return out.with_suffix(".html"), out.with_suffix(".json")


def perform(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the states of every model, write the page and its twin; returns the twin."""
    require_training("states")
    if args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a folder: name a file, for example {args.out / 'states.html'}.")
    for written in pages(args.out):
        check_writable(written)
    from trl import ModelConfig

    from mpodata.about import cache_folder
    from mpodata.runtime.journal import Journal
    from mpotrain.evaluation.appended import answered_prompts, appended_rows
    from mpotrain.evaluation.held_out import response_states
    from mpotrain.evaluation.report.states_page import write_states_page
    from mpotrain.model.loading import load_tokenizer

    wanted = [code.strip() for code in (args.languages or "").split(",") if code.strip()]
    sides = answered_prompts(args.pairs, language=args.language, split=args.split, languages=wanted)
    states = {}
    with Journal(cache_folder() / "reference.sqlite") as journal:
        for model in dict.fromkeys(args.model):
            rows = appended_rows(sides, load_tokenizer(model, chat_template=args.chat_template))
            states[model] = response_states(ModelConfig(model, dtype=args.dtype), rows, journal)
    return write_states_page(states, args.pairs, args.out)


def table(record: dict[str, Any]) -> str:
    """Model, language, pairs and separation."""
    lines = ["language  pairs  separation  model"]
    for model, languages in record["models"].items():
        for code, row in languages.items():
            shown = "–" if row["separation"] is None else f"{row['separation']:.2f}"
            lines.append(f"{code:<8}  {row['pairs']:>5}  {shown:>10}  {model}")
    return "\n".join(lines)
