"""vLLM engines side by side: one process per GPU or group of GPUs."""

import multiprocessing
import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from mpodata.engines.vllm_llm import Completion, Task, completions, started
from mpodata.errors import ModelError, MpoError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def device_groups(tensor_parallel: int, processes: int | None) -> list[str]:
    """The value of CUDA_VISIBLE_DEVICES of each process to start; one empty string where there is no GPU."""
    import torch

    visible = os.environ.get(VISIBLE)
    count = torch.cuda.device_count()
    devices = [name for name in visible.split(",") if name][:count] if visible else [str(n) for n in range(count)]
    if not devices:
        return [""] * (processes or 1)
    groups = [devices[start : start + tensor_parallel] for start in range(0, len(devices), tensor_parallel)]
    whole = [",".join(group) for group in groups if len(group) == tensor_parallel]
    if len(whole) < (processes or 1):
        raise ModelError(
            f"{processes or 1} vLLM engines of {tensor_parallel} GPUs each need {(processes or 1) * tensor_parallel} "
            f"GPUs; {len(devices)} are visible. Lower engine.processes or engine.tensor_parallel."
        )
    return whole[: processes or len(whole)]


class EngineProcesses:
    """A process per device group, each holding one engine; a block is shared out evenly."""

    def __init__(self, options: dict[str, Any], groups: Sequence[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        before = os.environ.get(VISIBLE)
        try:
            for group in groups:
                if group:
                    os.environ[VISIBLE] = group  # a spawned process starts with this environment
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, options))
                process.start()
                theirs.close()
                self._pipes.append(ours)
                self._processes.append(process)
        finally:
            if before is not None:
                os.environ[VISIBLE] = before
            else:
                os.environ.pop(VISIBLE, None)

    def complete(self, tasks: Sequence[Task], parameters: dict[str, Any]) -> list[Completion]:
        """Results in the order of `tasks`; raises ModelError where a process could not start or died."""
        count = len(self._pipes)
        for n, pipe in enumerate(self._pipes):
            with suppress(BrokenPipeError, ConnectionResetError):  # what it left behind is read below
                pipe.send((tasks[n::count], parameters))
        parts = [self._received(pipe) for pipe in self._pipes]
        done: list[Completion] = [([], "")] * len(tasks)
        for n, part in enumerate(parts):
            done[n::count] = part
        return done

    def _received(self, pipe: Connection) -> list[Completion]:
        try:
            result = pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self.close()
            raise ModelError("A vLLM process ended without an answer: its output above says why.") from error
        if isinstance(result, str):
            self.close()
            raise ModelError(result)
        part: list[Completion] = result
        return part

    def close(self) -> None:
        """Hang up: each process ends when its pipe closes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=30)
            if process.is_alive():
                process.kill()


def _work(pipe: Connection, options: dict[str, Any]) -> None:
    """A worker's life: start the engine, answer blocks, end when the other side hangs up."""
    try:
        engine = started(options)
        while True:
            tasks, parameters = pipe.recv()
            pipe.send(completions(engine, tasks, parameters) if tasks else [])
    except EOFError:
        return
    except MpoError as error:
        pipe.send(str(error))
