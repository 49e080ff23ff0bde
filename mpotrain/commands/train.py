"""`mpotrain train`: align a model on a dataset version."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from mpodata.cli import CommandParser
from mpodata.errors import ConfigError
from mpodata.runtime.flags import whole
from mpotrain.commands import require_training
from mpotrain.flag_names import check_flag_names

HELP = "Train a model on a dataset version, with MPO or one of its baselines."
EXAMPLE = (
    "mpotrain train --dataset user/refusals@v1.0.0#nllb-3.3b --model meta-llama/Llama-3.1-8B-Instruct \\\n"
    "      --preset llama-3.1-8b --launch zero2 --nproc 8 --output_dir runs/mpo"
)
OWN_FLAGS = True
FLAGS = {  # the ones most runs need; a test keeps them true
    "dataset": "NAME@v1.2.0, user/name@v1.2.0#nllb-3.3b, a version's folder, or a table: pairs.csv",
    "model": "chat model to align: a folder, a Hub id, pocket-chat",
    "output_dir": "folder of the run: model, card, run.json, metrics.jsonl",
    "method": "mpo (default), sft, dpo, ipo, simpo, orpo, kto, ...",
    "languages": "target languages: zh,sw (default: all of the version)",
    "beta": "and the methods' other hyper-parameters: gamma, tau, alpha, ...",
    "retain": "MPO's second term: authors (default), paper, kl, off; its weight: --retain_weight",
    "gap": "MPO's target: dominant (default), policy, policy-detached, a number, a language code",
    "global_batch_size": "rows per step over all processes (default: 8)",
    "per_device_train_batch_size": "most rows in one forward of one process (default: 8)",
    "learning_rate": "peak learning rate (default: 6e-7)",
    "num_train_epochs": "passes over the rows (default: 2)",
    "use_peft": "train LoRA adapters; with --load_in_4bit QLoRA",
    "bf16_weights": "8 bytes a parameter: an 8 B model in full on one 80 GB GPU (with --max_grad_norm 0)",
    "eval_strategy": "measure the held-out split: no (default), steps, epoch",
    "chat_template": "tokenizer (default), authors (as MPO's authors trained), or a Jinja file",
    "train_layers": "train these layers alone: 30-31",
    "save_minutes": "minutes between checkpoints that survive a kill (default: 10; the same command goes on)",
    "save_strategy": "keep checkpoints: no (default), steps, epoch",
    "resume_from_checkpoint": "a checkpoint's folder (default: the newest whole one of the run's folder)",
    "report_to": "tensorboard, wandb, trackio, none (default)",
    "push_to_hub": "push model, card and run.json when done; --hub_model_id names the repository",
    "config": "YAML file of flags; flags on the command line win",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that are not of the run itself; the others are read by TRL's parser."""
    parser.allow_abbrev = False
    width = max(map(len, FLAGS)) + 4
    lines = "\n".join(f"  --{name:<{width}}{text}" for name, text in FLAGS.items())
    parser.epilog = f"flags of the run (--help-all lists every flag):\n{lines}\n\n{parser.epilog}"
    parser.add_argument("--preset", help="settings with their source: llama-3.1-8b, gemma-2-9b, qwen2.5-7b, your.yaml")
    parser.add_argument("--launch", help="train on several devices: ddp, zero2, zero3, fsdp2")
    parser.add_argument("--nproc", type=whole(1), help="processes per node with --launch (default: one per GPU)")
    parser.add_argument("--nnodes", type=whole(1), default=1, help="nodes with --launch (default: 1)")
    parser.add_argument("--rdzv", metavar="HOST:PORT", help="where several nodes meet")
    parser.add_argument("--help-all", action="store_true", help="list every flag, TrainingArguments' included")


def run(args: argparse.Namespace) -> int:
    """Train here, or start the processes that do; the first one prints the summary."""
    check_launch_flags(args)
    check_flag_names(args.rest)
    require_training("train", deepspeed=_uses_deepspeed(args))
    from mpodata.runtime.progress import Bars
    from mpotrain import launch
    from mpotrain.config import flags_help, parse
    from mpotrain.training.memory import check_memory
    from mpotrain.training.run import check, train

    if args.help_all:
        print(flags_help())
        return 0
    if args.launch:
        preset = ["--preset", args.preset] if args.preset else []
        line = launch.command(args.launch, args.nproc, [*preset, *args.rest], nodes=args.nnodes, rendezvous=args.rdzv)
        config = parse(args.rest, args.preset)
        check(config)
        check_memory(config, args.launch, launch.per_node(args.nproc) * args.nnodes)
        launch.execute(line)
    first = os.environ.get("RANK", "0") == "0"
    record = train(parse(args.rest, args.preset), progress=Bars() if first else None)
    if first:
        print(summary(record))
    return 0


def split_flags(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What says how `mpotrain train` is launched, and the flags of the run; raises ConfigError for names of no flag."""
    parser = CommandParser(add_help=False)
    arguments(parser)
    launching, flags = parser.parse_known_args(words)
    check_flag_names(flags)
    return launching, flags


def check_launch_flags(args: argparse.Namespace) -> None:
    """Raises ConfigError for what says how processes are started where none are."""
    for flag, given in (("--nproc", args.nproc), ("--nnodes", args.nnodes != 1), ("--rdzv", args.rdzv)):
        if given and not args.launch:
            raise ConfigError(f"{flag} says how processes are started: add --launch, or leave it out.")


def _uses_deepspeed(args: argparse.Namespace) -> bool:
    asked = (args.launch or "").startswith("zero") or any(flag.startswith("--deepspeed") for flag in args.rest)
    return asked or os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"


def summary(record: dict[str, Any]) -> str:
    """One line on a finished run."""
    data, training = record["data"], record["training"]
    loss = record["metrics"].get("train_loss")
    return (
        f"{record['method']} on {data['reference']}: {data['trained_rows']} rows, {training['steps']} steps"
        + (f", loss {loss:.4f}" if loss is not None else "")
        + f", {record['seconds']:.0f} s -> {record['folder']}"
    )
