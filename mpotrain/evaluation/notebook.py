"""What `mpotrain.train`, `evaluate`, `gap` and `report` return: the records of their commands, which show themselves.

Each is a plain dict (or list) with the content of the command's JSON; in a notebook it is a table, and a plot where
there is something to compare. No text of prompts or answers is in them.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from mpodata.display.notebook import shown, table
from mpodata.languages import languages
from mpotrain.evaluation.report.plots import Series, forest
from mpotrain.evaluation.report.svg import WIDTH, Drawing, Scale
from mpotrain.evaluation.statistics import Interval
from mpotrain.evaluation.summary import share, standing_lines

# What the report's style sheet says of the shapes drawn here, for a page that has no style sheet.
STYLE = """<style>.mpo svg{width:100%;max-width:520px;font-size:12px}.mpo svg text{fill:currentColor}
.mpo svg .tick{font-size:11px;opacity:.7}.mpo svg .grid{stroke:currentColor;opacity:.2}
.mpo svg .reference{stroke:currentColor;opacity:.6;stroke-dasharray:4 3}
.mpo svg .s0{fill:#2a78d6}.mpo svg .w0{stroke:#2a78d6;stroke-width:2.4;opacity:.55}</style>"""


class RunRecord(dict[str, Any]):
    """run.json of a training run."""

    def _repr_html_(self) -> str:
        data, training, metrics = self["data"], self["training"], self["metrics"]
        rows: list[tuple[object, object]] = [
            ("method", self["method"]),
            ("data", data["reference"]),
            ("rows", ", ".join(f"{code} {count}" for code, count in data["rows"].items())),
            ("base model", self["base_model"]),
            ("steps", training["steps"]),
        ]
        rows += [("loss", f"{metrics['train_loss']:.4f}")] if "train_loss" in metrics else []
        gaps = [f"{code} {value:+.2f}" for code, value in self.get("gaps_before", {}).items()]
        rows += [("reward gap before training, nats per token", ", ".join(gaps))] if gaps else []
        rows += [("time", f"{self['seconds']:.0f} s")]
        losses = _losses(Path(str(self["folder"])) / "metrics.jsonl")
        return _page(table(str(self["folder"]), ("", ""), rows), curve("Loss by step", losses))


class GapRecord(dict[str, Any]):
    """The reward gap per language."""

    def _repr_html_(self) -> str:
        data = self["data"]
        intervals = {code: _interval(gap["per_token"]) for code, gap in _dominant_first(self).items()}
        rows = [
            (_name(code), interval.n, f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})",
             f"{self['languages'][code]['accuracy']:.0%}")
            for code, interval in intervals.items()
        ]  # fmt: skip
        caption = f"{self['model']}: {data['kind']} pairs of {data['reference']} ({data['split']})"
        heads = ("language", "pairs", "reward gap, nats per token (95 %)", "chosen likelier")
        series = [Series("", {_name(code): interval for code, interval in intervals.items()})]
        return _page(table(caption, heads, rows), forest("Reward gap", series, percent=False, reference=0.0))


class EvaluationRecord(dict[str, Any]):
    """results.json of an evaluation."""

    def _repr_html_(self) -> str:
        titles = {benchmark["name"]: benchmark["title"] for benchmark in self["benchmarks"]}
        rows = []
        attacks: dict[str, dict[str, Interval]] = {}  # title of a benchmark -> language -> attack success
        for cell in self["cells"]:
            rates, title, name = cell["rates"], titles[cell["benchmark"]], _name(cell["language"])
            shares = [share(rates.get(rate)) for rate in ("asr", "helpful", "usable")]
            rows.append((title, name, cell["kind"], cell["answers"], *shares))
            if cell["kind"] == "harmful" and rates["asr"]["n"]:
                attacks.setdefault(title, {})[name] = _interval(rates["asr"])
        heads = ("benchmark", "language", "prompts", "answers", "attack success, %", "helpful, %", "usable, %")
        notes = [*standing_lines(self.get("standing")), *self["warnings"], self["signature"]]
        plots = [
            f"<p>{shown(title)}: attack success</p>{forest(f'{title}: attack success', [Series('', known)])}"
            for title, known in attacks.items()
        ]
        return _page(table(str(self["model"]["title"]), heads, rows, notes), *plots)


class Pages(list[Path]):
    """The files of a report: HTML, Markdown, JSON."""

    def _repr_html_(self) -> str:
        links = (f'<li><a href="{shown(path)}">{shown(path)}</a></li>' for path in self)
        return f"<ul>{''.join(links)}</ul>"


def curve(title: str, points: Iterable[tuple[float, float]]) -> str:
    """A line through (step, value); "" where there are fewer than two points."""
    values = list(points)
    if len(values) < 2:
        return ""
    drawing = Drawing(title, 150)
    across = Scale(values[0][0], values[-1][0], 40, WIDTH - 14)
    heights = [value for _, value in values]
    up = Scale(min(heights), max(heights), 124, 18)
    for tick in up.ticks(3):
        drawing.line(40, up(tick), WIDTH - 14, up(tick), "grid")
        drawing.text(36, up(tick) + 4, f"{tick:g}", "tick", "end")
    for tick in across.ticks(4):
        drawing.text(across(tick), 142, f"{tick:g}", "tick", "middle")
    for (x1, y1), (x2, y2) in pairwise(values):
        drawing.line(across(x1), up(y1), across(x2), up(y2), "w0")
    drawing.text(0, 10, title, "label")
    return drawing.render()


def _page(*parts: str) -> str:
    return f'<div class="mpo">{STYLE}{"".join(parts)}</div>'


def _losses(path: Path) -> list[tuple[float, float]]:
    if not path.is_file():  # a run that was moved
        return []
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(entry["step"], entry["loss"]) for entry in entries if "loss" in entry]


def _dominant_first(record: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(record["languages"].items(), key=lambda item: item[0] != record["dominant"]))


def _interval(values: Mapping[str, Any]) -> Interval:
    return Interval(values["value"], values["low"], values["high"], values["n"], str(values.get("method", "")))


def _name(code: str) -> str:
    return languages()[code].name if code in languages() else code
