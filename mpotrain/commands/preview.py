"""`mpotrain preview`: training rows as tokens, with what is given and what is trained."""

import argparse
import sys
from typing import Any

from mpodata.runtime.flags import language_codes, whole
from mpotrain.commands import require_training

HELP = "Show training rows as tokens: what is given, what is trained, what was cut or dropped."
EXAMPLE = "mpotrain preview --dataset user/refusals@v1.0.0#nllb-3.3b --model Qwen/Qwen2.5-7B-Instruct --rows 2"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--dataset", required=True, help="dataset version (NAME@v1.2.0 or a folder), or a table")
    parser.add_argument("--model", required=True, help="whose tokenizer and chat template")
    parser.add_argument("--translator", help="whose translations; needed where a version has several")
    parser.add_argument("--languages", type=language_codes, help="target languages: zh,sw (default: all)")
    parser.add_argument("--rows", type=whole(1), default=1, help="rows to show per language (default: 1)")
    parser.add_argument("--max-length", type=whole(2), default=2048, help="longest prompt + answer in tokens")
    parser.add_argument("--show-text", action="store_true", help="show the texts, which may be harmful")
    parser.add_argument("--no-color", action="store_true", help="brackets instead of colours")


def run(args: argparse.Namespace) -> int:
    """Print the rows, then what happened to all rows of the version."""
    require_training("preview")
    from mpotrain.config import DataConfig
    from mpotrain.data import tokenise
    from mpotrain.model.loading import load_tokenizer
    from mpotrain.tables import open_dataset
    from mpotrain.training.run import select

    loaded = open_dataset(args.dataset)
    data = DataConfig(dataset=args.dataset, translator=args.translator, languages=args.languages)
    tokenizer = load_tokenizer(args.model)
    rows = tokenise(select(loaded, data, "train"), tokenizer, args.max_length)
    colour = sys.stdout.isatty() and not args.no_color
    shown: dict[str, int] = {}
    for row in (*rows.dominant.values(), *rows.targets):
        if shown.get(row.language, 0) < args.rows:
            shown[row.language] = shown.get(row.language, 0) + 1
            print(f"{row.language} · pair {row.pair_id}{' · ' + row.category if row.category else ''}")
            for part in ("chosen", "rejected"):
                print(f"  {part}: {rendered(tokenizer, getattr(row, part), text=args.show_text, colour=colour)}\n")
    print("Given first, [trained in brackets]" + ("." if args.show_text else "; a dot stands for one token of text."))
    print("rows: " + ", ".join(f"{code} {count}" for code, count in rows.census.kept.items()))
    print("\n".join(rows.census.lines()) or "nothing was cut or dropped")
    return 0


def rendered(tokenizer: Any, tokens: Any, *, text: bool, colour: bool) -> str:
    """One sequence, token by token; without `text` only control tokens are spelled out."""
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}

    def piece(token: int) -> str:
        if token in special:
            return str(tokenizer.convert_ids_to_tokens(token))
        return repr(tokenizer.decode([token]))[1:-1] + "|" if text else "·"

    given = "".join(piece(token) for token in tokens.prompt)
    trained = "".join(piece(token) for token in tokens.input_ids[tokens.prompt_length :])
    counts = f" ({tokens.prompt_length} given, {len(tokens.input_ids) - tokens.prompt_length} trained)"
    return f"{given}\033[32m{trained}\033[0m{counts}" if colour else f"{given}[{trained}]{counts}"
