"""A folder for lm-evaluation-harness: a YAML and a data file for each language, and a group of them all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mpotrain.evaluation.benchmarks import Prompt
from mpotrain.evaluation.folder import write_lines
from mpotrain.evaluation.packs import TASK
from mpotrain.evaluation.packs.scoring import document, names

VERSION = 1  # of the task: bump when the same answers would get other figures

FUNCTIONS = '''"""The functions that the YAML files name; they are those of `mpotrain eval`."""

from mpotrain.evaluation.packs import lm_eval_functions

process_results = lm_eval_functions.process_results
'''


def write(prompts: Sequence[Prompt], among: Sequence[str], folder: Path, out: Path, max_tokens: int) -> list[str]:
    """Write the pack to `folder`, which becomes `out`; returns how to run it.

    The YAML files name their data by the absolute path of `out`: the harness reads them from any folder.
    """
    languages = list(dict.fromkeys(prompt.language for prompt in prompts))
    figures: dict[str, bool] = {}
    for code in languages:
        mine = [prompt for prompt in prompts if prompt.language == code]
        write_lines(folder / f"{code}.jsonl", (document(prompt, among) for prompt in mine))
        own = names(sorted({prompt.kind for prompt in mine}))
        figures |= own
        _write(folder / f"{TASK}_{code}.yaml", _task(code, own, out, max_tokens))
    group = {
        "group": TASK,
        "task": [f"{TASK}_{code}" for code in languages],
        "aggregate_metric_list": [{"metric": name, "aggregation": "mean", "weight_by_size": False} for name in figures],
        "metadata": {"version": VERSION},
    }
    _write(folder / f"{TASK}.yaml", group)
    lines = [f"{name} = lm_eval_functions.{name}" for name in figures]
    (folder / "refusal_figures.py").write_text(FUNCTIONS + "\n".join(lines) + "\n", encoding="utf-8")
    return [
        f"lm_eval --model hf --model_args pretrained=MODEL --apply_chat_template --include_path '{out}' --tasks {TASK}"
    ]


def _task(code: str, figures: Mapping[str, bool], out: Path, max_tokens: int) -> dict[str, Any]:
    return {
        "task": f"{TASK}_{code}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(out / f"{code}.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "",
        "target_delimiter": "",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": max_tokens},
        "process_results": Function("refusal_figures.process_results"),
        "metric_list": [
            {"metric": name, "aggregation": Function(f"refusal_figures.{name}"), "higher_is_better": higher}
            for name, higher in figures.items()
        ],
        "metadata": {"version": VERSION},
    }


class Function(str):
    """A function that the harness looks up: `!function module.name`."""


class _Dumper(yaml.SafeDumper):
    """YAML with the harness's tag."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (no anchors: people read these files)
        return True


_Dumper.add_representer(Function, lambda dumper, name: dumper.represent_scalar("!function", str(name)))


def _write(path: Path, values: Mapping[str, Any]) -> None:
    text = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
