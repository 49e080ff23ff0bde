"""One vLLM engine in one process: started with its options, asked for blocks of completions."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mpodata.errors import ModelError

# vLLM logs its start-up, warnings included, to standard output, where our own results are.
QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_LOGGING_STREAM": "ext://sys.stderr"}

Task = tuple[list[int], int, int | None]  # prompt tokens, most new tokens, seed
Completion = tuple[list[int], str]  # new tokens, vLLM's finish reason


def started(options: Mapping[str, Any]) -> Any:
    """A running `vllm.LLM`; raises ModelError with vLLM's reason where it cannot start."""
    from safetensors import SafetensorError

    for name, value in QUIET.items():  # read when vLLM is imported; the processes it starts have it
        os.environ.setdefault(name, value)
    from vllm import LLM

    try:
        return LLM(**{"use_tqdm_on_load": False, **options})
    except (ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"vLLM cannot run {options['model']!r}: {reason}") from error


def completions(llm: Any, tasks: Sequence[Task], parameters: Mapping[str, Any]) -> list[Completion]:
    """Run `tasks` as one block, in order."""
    from vllm import SamplingParams

    prompts = [{"prompt_token_ids": ids} for ids, _, _ in tasks]
    sampling = [SamplingParams(max_tokens=room, seed=seed, **parameters) for _, room, seed in tasks]
    outputs = llm.generate(prompts, sampling, use_tqdm=False)
    return [(list(output.outputs[0].token_ids), str(output.outputs[0].finish_reason)) for output in outputs]
