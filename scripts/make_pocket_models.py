#!/usr/bin/env python
"""Make the pocket world: corpus, pocket-chat, pocket-nllb, their texts and their measured card.

python scripts/make_pocket_models.py                     # everything, into mpodata/pocket, under 15 minutes on 2 cores
python scripts/make_pocket_models.py --out /tmp/pocket --steps 20 20    # a trial
"""

from __future__ import annotations

import argparse
import logging
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from pocket.card import card, measure
from pocket.data_files import write_data_files
from pocket.held_out import held_out
from pocket.saving import save
from pocket.splits import split
from pocket.train_chat import STEPS as CHAT_STEPS
from pocket.train_chat import train_chat
from pocket.train_translator import STEPS as TRANSLATOR_STEPS
from pocket.train_translator import train_translator

log = logging.getLogger("pocket")
PARTS = ("texts", "chat", "nllb", "card")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "mpodata" / "pocket")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="make only these parts")
    parser.add_argument("--steps", type=int, nargs=2, default=(CHAT_STEPS, TRANSLATOR_STEPS), metavar=("CHAT", "NLLB"))
    return parser.parse_args()


def make_chat(folder: Path, seed: int, steps: int) -> None:
    prepare()
    save(*train_chat(seed, steps), folder)


def make_nllb(folder: Path, seed: int, steps: int) -> None:
    prepare()
    save(*train_translator(seed, steps), folder)


def prepare() -> None:
    """One thread per model: sums keep their order, so the same seed gives the same weights."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    torch.set_num_threads(1)


def main() -> None:
    args = arguments()
    prepare()
    args.out.mkdir(parents=True, exist_ok=True)
    splits, started = split(args.seed), time.monotonic()
    if "texts" in args.only:
        write_data_files(args.out, splits, args.seed)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        makers = {"chat": (make_chat, args.steps[0]), "nllb": (make_nllb, args.steps[1])}
        jobs = [
            pool.submit(make, args.out / name, args.seed, steps)
            for name, (make, steps) in makers.items()
            if name in args.only
        ]
        for job in jobs:
            job.result()
    if "card" in args.only:
        figures = measure(args.out, splits, held_out(splits))
        (args.out / "README.md").write_text(card(figures, args.seed), encoding="utf-8")
    log.info("done in %.0f seconds", time.monotonic() - started)


if __name__ == "__main__":
    main()
