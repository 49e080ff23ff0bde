"""One step of MPO on the Llama-3.1-8B shape with random weights: speed, memory, and where the time goes.

Each candidate has the GPU for itself. All train bfloat16 weights and recompute layers (gradient checkpointing). Ours is
first measured as a whole step: forward, backward and the optimizer of `--bf16_weights`. No AdamW fits beside the second
model of the authors' schedule on one card, so the candidates are compared by forward and backward alone, ours included.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from bench.training_rows import Row, batches_of, read_rows
from bench.training_steps import build, make, shape
from bench_train import operations
from torch import Tensor

from gpu.checks import Check
from mpotrain.training.layerwise import LayerwiseAdamW
from mpotrain.training.memory import GIB, need, with_activations

PAIRS = 8  # rows of a step, as in the paper
ROUNDS = 4
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # bfloat16, dense, from the data sheets
PAPER_STEPS = 150  # 600 rows, 2 epochs, 8 rows a step


def model() -> Any:
    made = build(True, torch.bfloat16)
    made.gradient_checkpointing_enable({"use_reentrant": False})
    return made


def batches() -> list[list[Row]]:
    """Batches of rows with the lengths of the released file."""
    return batches_of(read_rows(None), PAIRS, grouped=False)


def timed(step: Callable[[list[Row]], Tensor], after: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Seconds of each batch's forward, backward and `after`, the first one left out; target tokens per second."""
    seconds, speeds = [], []
    for number, rows in enumerate(batches()[: ROUNDS + 1]):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step(rows).backward()  # type: ignore[no-untyped-call]
        after()
        torch.cuda.synchronize()
        if number:
            seconds.append(time.perf_counter() - began)
            speeds.append(sum(row.tokens for row in rows) / seconds[-1])
    return seconds, speeds


def candidate(name: str) -> tuple[float, float]:
    """(target tokens per second, peak GiB) of a candidate's forward and backward."""
    policy = model()
    torch.cuda.reset_peak_memory_stats()
    _, speeds = timed(make(name, policy, "cuda"), lambda: policy.zero_grad(set_to_none=True))
    peak = torch.cuda.max_memory_allocated() / GIB
    return statistics.median(speeds), peak


def free() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def run() -> Iterator[Check]:
    """The whole step, then the comparison."""
    yield from whole_step()
    free()
    ours, peak = candidate("mpotrain")
    yield Check("speed", "mpotrain, forward and backward", ours, "target tokens/s")
    for name, goal in (("authors", 1.5), ("trl-precomputed", 2.0)):
        free()
        try:
            theirs, their_peak = candidate(name)
        except torch.OutOfMemoryError:
            yield Check("speed", f"{name} does not fit on this card", float("nan"))
            continue
        yield Check("speed", f"{name}, forward and backward", theirs, "target tokens/s")
        yield Check("speed", f"mpotrain against {name}", ours / theirs, "x", goal, ">=")
        yield Check("speed", f"mpotrain's memory against {name}'s", peak / their_peak, "x")
    free()


def whole_step() -> Iterator[Check]:
    """Speed, utilisation and memory of ours with its optimizer."""
    torch.cuda.reset_peak_memory_stats()
    policy = model()
    parameters = [p.numel() for p in policy.parameters()]
    optimizer = LayerwiseAdamW(policy, lr=6e-7)
    seconds, speeds = timed(make("mpotrain", policy, "cuda"), lambda: None)
    optimizer.norm()
    peak = torch.cuda.max_memory_allocated() / GIB
    floor = statistics.mean(operations(policy, rows) for rows in batches()[1 : ROUNDS + 1])
    rate = floor / statistics.mean(seconds)
    largest = max(sum(len(t.input_ids) for t in (*row.target, *row.dominant)) for row in batches()[0]) * PAIRS
    estimate = with_activations(
        need(sum(parameters), sum(parameters), layerwise=max(parameters)),
        shape(True), largest, size=2.0, checkpointing=True,
    )  # fmt: skip
    yield Check("speed", "mpotrain, whole step", statistics.median(speeds), "target tokens/s")
    yield Check("speed", "the paper's 150 steps at this pace", PAPER_STEPS * statistics.mean(seconds) / 60, "min", 6)
    yield Check("speed", "model operations per second, nothing counted twice", rate / 1e12, "TFLOP/s")
    card = torch.cuda.get_device_name()
    known = next((value for name, value in PEAKS.items() if name in card), None)
    if known is not None:
        yield Check("speed", f"model-FLOP utilisation of {known / 1e12:.0f} TFLOP/s", 100 * rate / known, "%", 45, ">=")
    yield Check("speed", "peak memory of a whole step", peak, "GiB", 76)
    yield Check("speed", "its estimate before loading", estimate.total / GIB, "GiB")


def profile() -> Iterator[Check]:
    """The share of GPU time of the ten costliest operators of one whole step."""
    policy = model()
    optimizer = LayerwiseAdamW(policy, lr=6e-7)
    step = make("mpotrain", policy, "cuda")
    rows = batches()
    step(rows[0]).backward()  # type: ignore[no-untyped-call]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        step(rows[1]).backward()  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    optimizer.norm()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_device_time_total)
    total = sum(event.self_device_time_total for event in events) or 1.0
    for event in events[:10]:
        yield Check("profile", event.key[:60].replace("|", "/"), 100 * event.self_device_time_total / total, "% of GPU")
