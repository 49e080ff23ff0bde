"""One command for every size of machine: `--launch MODE` runs the same command again, once per device.

torchrun starts the processes, under agent.py, which keeps our exit codes; what makes a mode is a flag of
TrainingArguments and a settings file beside this one. The YAML files say the same to people who start with
`accelerate launch --config_file`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpodata.errors import ConfigError, UnknownName
from mpodata.registry import require

FOLDER = Path(__file__).parent

MODES: Mapping[str, tuple[str, ...]] = {  # mode -> what it adds to the command
    "ddp": (),
    "zero2": ("--deepspeed", str(FOLDER / "zero2.json")),
    "zero3": ("--deepspeed", str(FOLDER / "zero3.json")),
    "fsdp2": ("--fsdp", "--fsdp_config", str(FOLDER / "fsdp2.json")),
}


def command(
    mode: str, processes: int | None, arguments: Sequence[str], *, nodes: int = 1, rendezvous: str | None = None
) -> list[str]:
    """The torchrun command line that runs `mpotrain train ARGUMENTS` in `mode`; raises UnknownName, ConfigError.

    processes: per node, by default one per GPU. rendezvous: HOST:PORT of the first of several nodes.
    """
    if mode not in MODES:
        raise UnknownName("launch mode", mode, MODES)
    count = per_node(processes)
    if nodes > 1 and rendezvous is None:
        raise ConfigError(f"{nodes} nodes need a meeting point: --rdzv HOST:PORT of the first node.")
    place = ["--standalone"]
    if nodes > 1:
        place = ["--nnodes", str(nodes), "--rdzv_backend", "c10d", "--rdzv_endpoint", str(rendezvous)]
    run = [sys.executable, "-m", "mpotrain.launch.agent", *place, "--nproc_per_node", str(count)]
    return [*run, "-m", "mpotrain.cli", "train", *arguments, *MODES[mode]]


def execute(command_line: Sequence[str]) -> None:
    """Replace this process by `command_line`."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    if "--use_cpu" in command_line:
        environment["DS_ACCELERATOR"] = "cpu"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(command_line[0], list(command_line), environment)


def deepspeed_on_cpu() -> None:
    """Start DeepSpeed's communication on CPU, which transformers does on GPU only, over the gloo group that exists.

    DeepSpeed's own CPU collectives are left out: they would be compiled at start, which takes a compiler and minutes.
    """
    deepspeed = require("deepspeed", package="deepspeed", purpose="--launch zero2 and zero3", extra="deepspeed")
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)


def per_node(processes: int | None) -> int:
    """Processes to start on this machine: as asked for, or one per GPU; raises ConfigError where there is neither."""
    import torch

    count = torch.cuda.device_count() if processes is None else processes
    if count < 1:
        raise ConfigError("No GPU was found: say with --nproc how many processes to start on this machine.")
    return count
