"""A folder for inspect_ai: one data file and the task that reads it."""

from collections.abc import Sequence
from pathlib import Path

from mpotrain.evaluation.benchmarks import Prompt
from mpotrain.evaluation.folder import write_lines
from mpotrain.evaluation.packs import TASK
from mpotrain.evaluation.packs.scoring import document

DATA = "prompts.jsonl"

SOURCE = '''"""inspect eval {name} --model hf/MODEL -M do_sample=false      (one language: -T languages=sw)"""

from pathlib import Path

from inspect_ai import Task, task

from mpotrain.evaluation.packs import inspect_task


@task
def {task}(languages: str = "") -> Task:
    """Multilingual refusal: the figures of `mpotrain eval --judge rules` on the same prompts."""
    wanted = [code for code in languages.split(",") if code]
    return inspect_task.multilingual_refusal(Path(__file__).with_name("{data}"), {max_tokens}, wanted)
'''


def write(prompts: Sequence[Prompt], among: Sequence[str], folder: Path, out: Path, max_tokens: int) -> list[str]:
    """Write the pack to `folder`, which becomes `out`; returns how to run it."""
    write_lines(folder / DATA, (document(prompt, among) for prompt in prompts))
    name = f"{TASK}.py"
    source = SOURCE.format(name=name, task=TASK, data=DATA, max_tokens=max_tokens)
    (folder / name).write_text(source, encoding="utf-8")
    return [f"cd '{out}' && inspect eval {name} --model hf/MODEL -M do_sample=false"]
