"""Does the trainer compute the same on this GPU, does its command line run there, and how fast is a step?

    python scripts/check_gpu.py                        # one 80 GB card, all parts, nothing downloaded
    python scripts/check_gpu.py --cpu                  # the first part on a CPU
    python scripts/check_gpu.py --parts agreement,commands --json check.json

Parts, in order:
    agreement   log-probabilities, states and gradients, packed and padded, in float32 and bfloat16, against float64 on
                the CPU: Llama, Qwen2, Mistral with a window, Gemma-2 with soft-capping, Gemma-3
    commands    build, train (mpo, dpo, full, LoRA, 16-bit weights, fsdp2, resumed, padded), gap, eval on pocket models
    speed       a step of the Llama-3.1-8B shape with random weights: tokens/s, model-FLOP utilisation, memory, against
                the authors' schedule and TRL's DPOTrainer
    profile     where the time of that step goes

Prints one table and writes a JSON. Exit status 1 where a limit of the first two parts is missed: speeds are goals.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import transformers
from gpu import agreement
from gpu.checks import Check, table

PARTS = ("agreement", "commands", "speed", "profile")
MUST_HOLD = ("agreement", "commands")


def part(name: str, device: str) -> Callable[[], Iterator[Check]]:
    """What runs one part; later ones are imported when they are asked for."""
    if name == "agreement":
        return lambda: agreement.run(device)
    if name == "commands":
        from gpu import commands

        return lambda: commands.run(device)
    from gpu import speed

    return speed.run if name == "speed" else speed.profile


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="on the CPU (default parts: agreement)")
    parser.add_argument("--parts", help=f"comma-separated: {', '.join(PARTS)} (default: all; with --cpu: agreement)")
    parser.add_argument("--json", type=Path, default=Path("check_gpu.json"), help="file for the results")
    args = parser.parse_args()
    names = (args.parts or ("agreement" if args.cpu else ",".join(PARTS))).split(",")
    for name in names:
        if name not in PARTS:
            parser.error(f"unknown part {name!r}: known are {', '.join(PARTS)}")
        if args.cpu and name not in MUST_HOLD:
            parser.error(f"part {name} needs a GPU: the 8 B shape is too large for a CPU")
    if not args.cpu and not torch.cuda.is_available():
        parser.error("no CUDA GPU here: --cpu runs the first part on the CPU")
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    device = "cpu" if args.cpu else "cuda"
    card = "CPU" if args.cpu else torch.cuda.get_device_name()
    print(f"{card}, torch {torch.__version__}, transformers {transformers.__version__}", file=sys.stderr)
    checks, seconds = [], {}
    for name in names:
        started = time.perf_counter()
        for check in part(name, device)():
            print(check.line(), file=sys.stderr, flush=True)
            checks.append(check)
        seconds[name] = round(time.perf_counter() - started, 1)
    record = {
        "device": card, "torch": torch.__version__, "transformers": transformers.__version__, "seconds": seconds,
        "checks": [check.as_json() for check in checks],
    }  # fmt: skip
    args.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{card}; seconds: {', '.join(f'{name} {value}' for name, value in seconds.items())}\n\n{table(checks)}")
    return 1 if any(check.passed is False for check in checks if check.part in MUST_HOLD) else 0


if __name__ == "__main__":
    sys.exit(main())
