"""What README.md's tables say of GPUs and of benchmark files follows from the code."""

import re

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Qwen2Config

from mpotrain.evaluation.benchmarks import BENCHMARKS
from mpotrain.evaluation.utility.suite import TASKS
from mpotrain.training.memory import GIB, Need, _adapter_parameters, need, with_activations
from tests.readme.blocks import README

# The shapes that the models' published configurations give.
SHAPES = {
    "llama-3.1-8b": LlamaConfig(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, vocab_size=128256, tie_word_embeddings=False,
    ),
    "gemma-2-9b": Gemma2Config(
        hidden_size=3584, intermediate_size=14336, num_hidden_layers=42, num_attention_heads=16,
        num_key_value_heads=8, head_dim=256, vocab_size=256000,
    ),
    "qwen2.5-7b": Qwen2Config(
        hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, vocab_size=152064, tie_word_embeddings=False,
    ),
}  # fmt: skip


def cells(start: str) -> dict[str, list[str]]:
    """The first column of a Markdown table -> its other cells; `start` stands before the table."""
    rows = re.findall(r"^\| (.*?) \|(.*)\|$", README.partition(start)[2].split("\n\n")[0], re.MULTILINE)
    assert rows, start
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


@pytest.mark.parametrize("name", SHAPES)
def test_the_memory_of_a_gpu_is_what_the_trainer_estimates(name: str) -> None:
    shape = SHAPES[name]
    with torch.device("meta"):
        sizes = [parameter.numel() for parameter in AutoModelForCausalLM.from_config(shape).parameters()]
    weights = sum(sizes)

    def gib(needed: Need, tokens: int, *, checkpointing: bool) -> str:
        return f"{with_activations(needed, shape, tokens, size=2.0, checkpointing=checkpointing).total / GIB:.1f}"

    lora = need(weights, _adapter_parameters(shape, 16), dtype="bfloat16")
    shared = need(weights, weights, mode="zero2", processes=8, low_precision=True)
    assert cells("<!-- gpu table")[name] == [
        gib(shared, 4096, checkpointing=False),
        gib(need(weights, weights, mode="fsdp2", processes=4), 4096, checkpointing=False),
        gib(need(weights, weights, layerwise=max(sizes)), 16384, checkpointing=True),
        gib(lora, 16384, checkpointing=True),
    ]


def test_every_benchmark_stands_in_the_table_with_its_source() -> None:
    table = README.partition("### Benchmark files")[2].split("## ")[0]
    for name, benchmark in BENCHMARKS.items():
        (line,) = [line for line in table.splitlines() if re.match(rf"\| (?:[\w, -]*, )?{name}[ ,]", line)]
        assert benchmark.packaged or f"({benchmark.source})" in line
        assert (benchmark.hub != "") == line.endswith("| hub |")
    for task in TASKS:
        assert re.search(rf"^\| `--utility .*{task}`", table, re.MULTILINE), task
