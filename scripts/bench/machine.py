"""What a bench ran on."""

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name: as Linux tells it, else the architecture."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
