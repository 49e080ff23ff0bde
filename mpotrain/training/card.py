"""The card of a trained model: `cards/model.md.j2` filled from its run.json and metrics.jsonl, strict about holes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from mpodata.languages import language
from mpodata.runtime.whole_files import write_text
from mpodata.versions.card import cards_folder
from mpodata.versions.card_facts import cell, code, fenced
from mpotrain.runs import read_metrics, read_run

CARD = "README.md"

NOTABLE = {  # a switch is named where it is not what the method's paper does
    "retain_weight": 1.0,
    "gap": "dominant",
    "nll_weight": 0.0,
}


def render_card(run: Mapping[str, Any], logs: Sequence[Mapping[str, float]], *, evaluated: bool = False) -> str:
    """The README.md of a run. A pure function of run.json and the lines of metrics.jsonl."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(cards_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML: what comes from outside goes through these filters
    )
    environment.filters |= {"cell": cell, "code": code, "fenced": fenced}
    data, base = run["data"], str(run["base_model"])
    return environment.get_template("model.md.j2").render(
        front_matter=yaml.safe_dump(front_matter(run), sort_keys=False, allow_unicode=True),
        title=f"{Path(base).name} aligned with {run['method']}",
        run=run,
        base=base,
        base_on_hub=_on_hub(base),
        method=run["method"],
        languages=[language(code).name for code in data["languages"]],
        dominant=language(data["dominant"]).name,
        training=_training(run["training"]),
        switches={name.replace("_", " "): value for name, value in run["switches"].items()},
        deviations=_deviations(run),
        gaps=_gaps(logs),
        evaluated=evaluated,
    )


def front_matter(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the Hub reads: base model, data and its languages, how to load it."""
    base, data = str(run["base_model"]), run["data"]
    front: dict[str, Any] = {
        "library_name": "peft" if run["adapter"] else "transformers",
        "pipeline_tag": "text-generation",
        "language": [data["dominant"], *data["languages"]],
        "tags": ["safety", "alignment", "multilingual", str(run["method"]), "mpotrain"],
    }
    if _on_hub(base):
        front["base_model"] = base
        front["base_model_relation"] = "adapter" if run["adapter"] else "finetune"
    if _on_hub(str(data["name"])):
        front["datasets"] = [data["name"]]
    return front


def write_card(folder: Path) -> None:
    """Write RUN/README.md from what RUN holds; again after an evaluation, to name it."""
    evaluated = (folder / "eval/results.json").exists()
    write_text(folder / CARD, render_card(read_run(folder), read_metrics(folder), evaluated=evaluated))


def _on_hub(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).exists()


def _training(training: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule as it ran: epochs done and warm-up in steps in place of what was asked for."""
    ran = {name: training.get(f"{name}_run", value) for name, value in training.items() if not name.endswith("_run")}
    return {name.replace("_", " "): value for name, value in ran.items() if value is not None}


def _deviations(run: Mapping[str, Any]) -> list[str]:
    switches = run["switches"]
    changed = [f"{name} = {switches[name]}" for name, usual in NOTABLE.items() if switches[name] != usual]
    return ["a likelihood term on the chosen answers" if text.startswith("nll_weight") else text for text in changed]


def _gaps(logs: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """First and last logged reward gap of every language."""
    codes = dict.fromkeys(key.split("/")[1] for log in logs for key in log if key.startswith("reward_gap/"))
    seen = {code: [log[f"reward_gap/{code}"] for log in logs if f"reward_gap/{code}" in log] for code in codes}
    return [{"language": code, "first": values[0], "last": values[-1]} for code, values in seen.items()]
