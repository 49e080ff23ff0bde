"""One optimizer step of MPO, ours against what people use today, on the same rows and the same model shape.

    python scripts/bench_train.py --data mpo_released_llama.json     # CPU: a 25M-parameter Llama shape, 32k vocabulary
    python scripts/bench_train.py --gpu                              # one GPU: the Llama-3.1-8B shape, bf16

Candidates, taking turns on every batch; every step is forward, backward and AdamW, the model's attention is SDPA:
    authors          MPO as its authors' release schedules it: policy on target rows, policy and reference on dominant
                     rows, padded, full logits
    trl              TRL's DPOTrainer, reference on the fly
    trl-precomputed  TRL's DPOTrainer, reference log-probabilities given
    mpotrain         MPO with mpotrain: reference measured before training, packed, head on response tokens only
    mpotrain-grouped the same rows in batches grouped by pair: a dominant side is encoded once for its target languages

TRL's DPO neither encodes dominant rows nor holds the dominant language in place: it does less work per pair. Throughput
is target tokens (prompts and answers of target rows, no padding) per second; ratios are medians over batches. The GPU
path has not been run on a GPU yet.
"""

import argparse
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from bench.machine import processor
from bench.training_rows import Row, batches_of, read_rows
from bench.training_steps import CANDIDATES, build, make, shape
from transformers import LlamaForCausalLM

from mpotrain.model.batches import pack


class Runner:
    """A candidate with its own model and optimizer."""

    def __init__(self, candidate: str, args: argparse.Namespace) -> None:
        self.device = "cuda" if args.gpu else "cpu"
        self.clock = time.process_time if args.cpu_time else time.perf_counter
        self.model = build(args.gpu, args.torch_dtype)
        if args.gpu:
            self.model.gradient_checkpointing_enable()
        self.step = make(candidate, self.model, self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-6, fused=True)

    def __call__(self, rows: list[Row]) -> float:
        """Seconds of one optimizer step."""
        self._wait()
        start = self.clock()
        self.step(rows).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._wait()
        return self.clock() - start

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def in_turns(
    rows: Sequence[Row], names: Sequence[str], pairs: int, rounds: int, args: argparse.Namespace
) -> Iterator[Any]:
    """Yield {candidate: (seconds, target tokens)} for every batch, candidates alternating, after one warm-up each."""
    batches = {name: batches_of(rows, pairs, grouped=name.endswith("grouped")) for name in names}
    if args.gpu:  # five 8B models with their optimizers do not fit: one candidate after the other
        columns = {name: one_after_another(name, batches[name], rounds, args) for name in names}
        yield from (dict(zip(columns, line, strict=True)) for line in zip(*columns.values(), strict=True))
        return
    runners = {name: Runner(name, args) for name in names}
    for name in names:
        runners[name](batches[name][-1][:2])
    for at in range(rounds):
        order = list(names) if at % 2 else list(reversed(names))
        yield {name: (runners[name](batches[name][at]), sum(r.tokens for r in batches[name][at])) for name in order}


def one_after_another(
    name: str, batches: list[list[Row]], rounds: int, args: argparse.Namespace
) -> list[tuple[float, int]]:
    """(seconds, target tokens) of every batch for one candidate; its memory is free afterwards."""
    runner = Runner(name, args)
    runner(batches[-1])
    column = [(runner(batch), sum(row.tokens for row in batch)) for batch in batches[:rounds]]
    del runner
    gc.collect()
    torch.cuda.empty_cache()
    return column


def peak_memory(candidate: str, pairs: int, args: argparse.Namespace) -> float:
    """Peak MiB of a step on the longest batch, in a process of its own: resident memory past the imports."""
    command = [sys.executable, __file__, "--memory-of", candidate, "--pairs", str(pairs), "--dtype", args.dtype]
    command += ["--data", str(args.data)] if args.data else []
    command += ["--gpu"] if args.gpu else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_memory(candidate: str, rows: Sequence[Row], pairs: int, args: argparse.Namespace) -> float:
    """In the child: the high-water mark less what libraries and rows hold before the model is built."""
    if candidate.startswith("trl"):
        import trl.trainer.dpo_trainer  # noqa: F401
    gc.collect()
    before = resident()
    runner = Runner(candidate, args)
    batches = sorted(
        batches_of(rows, pairs, grouped=candidate.endswith("grouped")), key=lambda b: sum(r.tokens for r in b)
    )
    runner(batches[0])  # from here on the optimizer holds its moments
    runner(batches[-1])
    if args.gpu:
        return torch.cuda.max_memory_allocated() / 2**20
    return resident("VmHWM") - before


def resident(line: str = "VmRSS") -> float:
    """MiB now resident, or at the peak (VmHWM: of this process alone, where getrusage also counts its parent)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{line}:")[1].split()[0]) / 1024


def operations(model: LlamaForCausalLM, rows: list[Row]) -> float:
    """The floor of one MPO step over `rows`: the floating-point operations it cannot avoid.

    Every distinct token through the layers once, every answer token through the head once, attention included, forward
    and backward (3 x). What is computed twice to save memory does not count.
    """
    head = model.config.vocab_size * model.config.hidden_size
    body = sum(p.numel() for p in model.model.layers.parameters())
    batch = pack([tokens for row in rows for tokens in (*row.target, *row.dominant)])
    assert batch.spans is not None
    asked = batch.spans.query_starts.diff()
    seen = batch.spans.key_starts.diff() - 0.5 * asked  # on average: attention is causal
    attention = 2 * (asked * seen).sum().item() * model.config.hidden_size * model.config.num_hidden_layers
    return float(3 * 2 * (batch.encoded * body + attention + len(batch.targets) * head))


def matmul_speed(args: argparse.Namespace) -> float:
    """Operations per second of a large matrix product: what the floor is paid in."""
    size, device = (8192, "cuda") if args.gpu else (1536, "cpu")
    clock = time.process_time if args.cpu_time else time.perf_counter
    left, right = (torch.randn(size, size, device=device, dtype=args.torch_dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = clock()
        product = left @ right
        product[0, 0].item()
        best = min(best, clock() - start)
    return 2 * size**3 / best


def report(
    rows: Sequence[Row], pairs: int, rounds: int, names: Sequence[str], args: argparse.Namespace
) -> dict[str, Any]:
    """Measure one batch size and print its table."""
    print(f"\n{pairs} pairs a forward, {rounds} batches, candidates in turns")
    results = []
    for result in in_turns(rows, names, pairs, rounds, args):
        results.append(result)
        print("  " + "  ".join(f"{name} {seconds:.2f} s" for name, (seconds, _) in result.items()), file=sys.stderr)
    speed = {name: [r[name][1] / r[name][0] for r in results] for name in names}
    base = names[0]
    # TRL's memory is measured at the first size alone: at larger ones its longest batch takes a minute.
    weighed = [name for name in names if not name.startswith("trl") or pairs == args.pairs[0] or name == base]
    memory = {name: peak_memory(name, pairs, args) for name in weighed} if not args.no_memory else {}
    print(f"  {'candidate':<18}{'tokens/s':>10}{'ratio to ' + base:>18}{'peak MiB':>10}{'of ' + base:>12}")
    table = {}
    for name in names:
        grouped = name.endswith("grouped")  # other batches: compare medians, not batch by batch
        ratio = (
            statistics.median(speed[name]) / statistics.median(speed[base])
            if grouped
            else statistics.median(a / b for a, b in zip(speed[name], speed[base], strict=True))
        )
        table[name] = {"tokens_per_s": statistics.median(speed[name]), "ratio": ratio, "peak_mib": memory.get(name)}
        peak = f"{memory[name]:>10.0f}{memory[name] / memory[base]:>12.0%}" if name in memory else f"{'-':>10}{'-':>12}"
        print(f"  {name:<18}{statistics.median(speed[name]):>10.0f}{ratio:>18.2f}{peak}")
    ours_name = next((name for name in names if name == "mpotrain"), None)
    if ours_name and "trl-precomputed" in speed:
        against = statistics.median(a / b for a, b in zip(speed[ours_name], speed["trl-precomputed"], strict=True))
        print(f"  mpotrain against trl-precomputed: {against:.2f}")
    if ours_name and "mpotrain-grouped" in speed:
        print_grouping(rows, pairs, speed, args)
    if ours_name:
        table["floor"] = print_floor(rows, pairs, [r[ours_name][0] for r in results], args)
    return table


def print_grouping(rows: Sequence[Row], pairs: int, speed: dict[str, list[float]], args: argparse.Namespace) -> None:
    """What grouping by pair gained, beside what it can: it saves dominant tokens, which the head never sees."""
    with torch.device("meta"):
        model = LlamaForCausalLM(shape(args.gpu))
    cost = {
        grouped: statistics.mean(
            operations(model, batch) / sum(row.tokens for row in batch) for batch in batches_of(rows, pairs, grouped)
        )
        for grouped in (False, True)
    }
    gained = statistics.median(speed["mpotrain-grouped"]) / statistics.median(speed["mpotrain"]) - 1
    print(f"  grouped by pair: {gained:+.0%} tokens/s; operations saved allow {cost[False] / cost[True] - 1:+.0%}")


def print_floor(rows: Sequence[Row], pairs: int, seconds: list[float], args: argparse.Namespace) -> dict[str, Any]:
    """What MPO cannot avoid, beside what was spent and reached."""
    with torch.device("meta"):
        model = LlamaForCausalLM(shape(args.gpu))
    batches = batches_of(rows, pairs, grouped=False)[: len(seconds)]
    floor = statistics.mean(operations(model, batch) for batch in batches)
    speed = matmul_speed(args)
    reached = statistics.mean(seconds)
    share = floor / speed / reached
    print(
        f"  floor: {floor / 1e9:.0f} GFLOP a step, which at the speed of one large matrix product ({speed / 1e9:.0f} "
        f"GFLOP/s) is {floor / speed:.2f} s; mpotrain took {reached:.2f} s, {share:.0%} of that pace"
    )
    if args.gpu:
        peak = 989e12 if args.torch_dtype is torch.bfloat16 else 494e12  # an H100 or H200's data sheet, dense
        print(f"  model-FLOP utilisation {floor / peak / reached:.0%} of {peak / 1e12:.0f} TFLOP/s")
    return {"gflop": floor / 1e9, "seconds": reached, "share": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="rows in the released MPO schema; random tokens without it")
    parser.add_argument("--pairs", type=int, nargs="+", help="pairs a forward (default: 2 8; on a GPU 8)")
    parser.add_argument("--rounds", type=int, help="batches to measure per size (default: 12 / pairs, at least 3)")
    parser.add_argument(
        "--candidates", nargs="+", choices=CANDIDATES, metavar="NAME",
        help="default: all; trl, the slowest, for the first size only",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--cpu-time", action="store_true", help="processor time, for a machine that others use too")
    parser.add_argument("--gpu", action="store_true", help="the Llama-3.1-8B shape on cuda:0")
    parser.add_argument("--no-memory", action="store_true", help="skip the memory runs")
    parser.add_argument("--profile", action="store_true", help="where a step of mpotrain goes, by operator")
    parser.add_argument("--json", type=Path, help="write the results there too")
    parser.add_argument("--memory-of", choices=CANDIDATES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    args.dtype = args.dtype or ("bfloat16" if args.gpu else "float32")
    args.torch_dtype = getattr(torch, args.dtype)
    args.pairs = args.pairs or ([8] if args.gpu else [2, 8])
    if args.threads:
        torch.set_num_threads(args.threads)
    rows = read_rows(args.data)
    if args.memory_of:
        print(measure_memory(args.memory_of, rows, args.pairs[0], args))
        return
    if args.profile:
        profile(rows, args.pairs[0], args)
        return
    environment = {
        "cpu": processor(), "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if args.gpu else None, "dtype": args.dtype,
        "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        "rows": len(rows), "data": args.data.name if args.data else "synthetic",
    }  # fmt: skip
    print(" ".join(f"{key}={value}" for key, value in environment.items() if value is not None))
    tables = {}
    for pairs in args.pairs:
        names = args.candidates or [name for name in CANDIDATES if name != "trl" or pairs == args.pairs[0]]
        tables[pairs] = report(rows, pairs, args.rounds or max(3, 12 // pairs), names, args)
    if args.json:
        args.json.write_text(json.dumps({"environment": environment, "pairs": tables}, indent=2) + "\n")


def profile(rows: Sequence[Row], pairs: int, args: argparse.Namespace) -> None:
    """Print the operators of one step."""
    runner = Runner("mpotrain", args)
    batches = batches_of(rows, pairs, grouped=False)
    runner(batches[0])
    with torch.profiler.profile() as profiler:
        for batch in batches[1:4]:
            runner(batch)
    key = "self_cuda_time_total" if args.gpu else "self_cpu_time_total"
    print(profiler.key_averages().table(sort_by=key, row_limit=22, max_name_column_width=60))


if __name__ == "__main__":
    main()
