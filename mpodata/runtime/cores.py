"""What this process may use of the processor: how many cores, and whether they multiply 16-bit numbers."""

import os
import sys
from pathlib import Path
from typing import Final

QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": microseconds of CPU time in microseconds; or "max ..."

FEATURES: Final = Path("/proc/cpuinfo")
MULTIPLIES_BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # x86's two, and Arm's
SLOW_BFLOAT16: Final = (
    "This processor has no instructions for 16-bit matrices: in %s it computes several times slower than in float32."
)


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself; True where it does not say (no Linux)."""
    try:
        lines = FEATURES.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    features = {
        word for line in lines if line.startswith(("flags", "Features")) for word in line.split(":")[-1].split()
    }
    return not features or bool(features & MULTIPLIES_BFLOAT16)


def cores() -> int:
    """Physical cores this process may use: hyper-threads share the units that multiply.

    The upper limits, the lowest of which counts: the process's CPU affinity; the CPU time its container is given
    (cgroup v2); and OMP_NUM_THREADS, which on Ray `pipeline.ray.Worker` sets to the num_cpus it was given, so that
    workers beside each other do not ask for the same cores.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = {_siblings(core) for core in usable}
    return max(1, min(len(siblings), *_limits()))


def _limits() -> list[int]:
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2": of nested teams, the outer one
    limits = [int(threads)] if threads.isdecimal() and int(threads) else []
    try:
        quota, _, period = QUOTA.read_text().partition(" ")
    except OSError:
        return [sys.maxsize, *limits]
    return [sys.maxsize if quota == "max" else round(int(quota) / int(period)), *limits]


def _siblings(core: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(core)
