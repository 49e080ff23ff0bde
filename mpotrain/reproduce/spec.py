"""One table or figure of a paper (`tables/PAPER/NAME.yaml`): its data, runs and measures, and what it claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mpodata.errors import ConfigError, UnknownName
from mpotrain.evaluation.published import PublishedTable, published
from mpotrain.evaluation.utility import mt_bench
from mpotrain.evaluation.utility.harness import HARNESS

FOLDER = Path(__file__).parent
TABLES = FOLDER / "tables"
UTILITY = (mt_bench.TASK, *HARNESS)  # measured by `mpotrain eval --utility`
UNSUPPORTED = {"x-alpacaeval", "x-alpacaeval-lc", "x-alpacaeval-low"}  # no table runs them yet
_KEYS = {
    "title", "published", "model", "base_model", "judge", "data", "runs", "parts", "claims", "note", "settings",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset version that a table trains or measures on."""

    name: str  # "G"
    translator: str
    source: str | None = None
    languages: str | None = None
    samples: int | None = None
    seed: int | None = None
    policy: str | None = None  # a run whose model answers, instead of the start model
    reference: str | None = None  # "base": ICR's reference is the base model


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the table: a trained model, or the start model where it names no data."""

    name: str  # as the paper prints it: "w/o retention"
    data: str | None = None
    method: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)  # of `mpotrain train`
    search: bool = False  # the paper searched its hyper-parameters
    start: str | None = None  # a run whose model it starts from
    only: str | None = None  # "dominant": the target rows get weight 0
    preset: str | None = None  # its own settings, for real models where no other preset is asked for


@dataclass(frozen=True, slots=True)
class Part:
    """One measure of the table."""

    key: str  # "multijail"
    title: str
    unit: str
    better: str
    columns: tuple[str, ...]  # language codes
    benchmark: str | None = None  # of `mpotrain eval --benchmarks`
    utility: str | None = None  # of `mpotrain eval --utility`
    gap: str | None = None  # "per_token" or "dpo", of `mpotrain gap`
    states: bool = False  # of `mpotrain states`
    kind: str = "harmful"
    rate: str = "asr"
    data: str | None = None  # the version that prompts, gaps or states are of
    split: str | None = None
    base: bool = False  # gaps against the base model
    beta: float = 1.0
    stand_in: str = ""  # what is measured in place of what the paper measured

    @property
    def scale(self) -> float:
        """From what our files hold to the table's unit: shares to percent."""
        return 100.0 if self.benchmark or self.utility in HARNESS else 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table to reproduce, on one world."""

    paper: str
    name: str  # "2", "figure-4", "attack-success"
    title: str
    world: Mapping[str, Any]
    data: Mapping[str, Data]
    runs: Mapping[str, Run]
    parts: Mapping[str, Part]
    left_out: Mapping[str, str]  # row or part -> why it is not measured
    claims: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]
    published: PublishedTable | None
    settings: str | None = None  # "search" or "presets": a table of hyper-parameters, nothing to run

    @property
    def label(self) -> str:
        """mpo-table-2, mpo-figure-4, refuseu-attack-success"""
        return f"{self.paper}-table-{self.name}" if self.name.isdigit() else f"{self.paper}-{self.name}"


def papers() -> list[str]:
    """The papers whose tables can be reproduced."""
    return sorted(path.name for path in TABLES.iterdir() if path.is_dir())


def table_names(paper: str) -> list[str]:
    """The tables and figures of a paper, numbers first; raises UnknownName."""
    if paper not in papers():
        raise UnknownName("paper", paper, papers())
    names = [path.stem for path in (TABLES / paper).glob("*.yaml")]
    return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def world_of(model: str | None) -> Mapping[str, Any]:
    """What stands in for what with this model: "pocket" for pocket-chat, else "real"."""
    worlds = yaml.safe_load((FOLDER / "worlds.yaml").read_text(encoding="utf-8"))
    name = "pocket" if model == worlds["pocket"]["model"] else "real"
    return {**worlds[name], "name": name}


def read_table(paper: str, name: str, model: str | None = None, given: Sequence[str] = ()) -> Table:
    """The table as it is measured with `model`; raises UnknownName.

    Args: given: benchmarks whose files the user named: nothing stands in for these.
    """
    if name not in table_names(paper):
        raise UnknownName(f"table of {paper}:", name, table_names(paper))
    content = yaml.safe_load((TABLES / paper / f"{name}.yaml").read_text(encoding="utf-8"))
    world = dict(world_of(model))
    of_pocket = content.pop("pocket", {})
    overrides = of_pocket if world["name"] == "pocket" else {}
    if unknown := sorted({*content, *overrides} - _KEYS):
        raise ConfigError(f"{paper}/{name}.yaml: unknown key {unknown[0]!r}.")
    notes = [content.get("note"), overrides.get("note"), None if "settings" in content else world.get("note")]
    content |= overrides
    if world["name"] == "real":
        world |= {key: content[key] for key in ("model", "base_model", "judge") if key in content}
    recorded = published(content["published"]) if "published" in content else None
    data = {key: Data(key, **value) for key, value in content.get("data", {}).items()}
    runs = {key: Run(key, **(value or {})) for key, value in content.get("runs", {}).items()}
    left_out = _rows_left_out(data, runs, world)
    parts = {}
    for key, value in (content.get("parts") or {}).items():
        part = _part(key, value, recorded, world, given)
        if isinstance(part, str):
            left_out[key] = part
        else:
            parts[key] = part
    return Table(
        paper, name, content["title"], world, data, runs, parts, left_out, content.get("claims", ()),
        tuple(note for note in notes if note), recorded, content.get("settings"),
    )  # fmt: skip


def _rows_left_out(data: Mapping[str, Data], runs: Mapping[str, Run], world: Mapping[str, Any]) -> dict[str, str]:
    reasons = world.get("left_out", {})
    left_out: dict[str, str] = {}
    for run in runs.values():
        if run.data and data[run.data].translator in reasons:
            left_out[run.name] = reasons[data[run.data].translator]
        elif run.start in left_out:
            left_out[run.name] = f"{run.start} is not measured"
    return left_out


def _part(
    key: str,
    given_part: Mapping[str, Any],
    recorded: PublishedTable | None,
    world: Mapping[str, Any],
    given: Sequence[str],
) -> Part | str:
    """The part as it is measured, or why it is left out."""
    told = recorded.parts.get(key) if recorded else None
    facts: dict[str, Any] = {}
    if told is not None:
        facts = {"title": told.title, "unit": told.unit, "better": told.better, "columns": told.columns}
    facts |= given_part
    facts["columns"] = tuple(facts["columns"])
    if not any(facts.get(name) for name in ("benchmark", "gap", "states")):
        facts["utility" if key in UTILITY else "benchmark"] = key
    stand_ins = world.get("stand_ins", {})
    if key in stand_ins and key not in given:
        if stand_ins[key] is None:
            return "nothing in the pocket world stands in for it"
        own = stand_ins[key]
        facts |= {"utility": None, **own}
        facts["stand_in"] = (
            f"{own.get('rate', facts.get('rate', 'asr'))} on {own.get('kind', 'harmful')} pocket prompts"
        )
        if own.get("rate") == "helpful":
            facts["unit"], facts["better"] = "% helpful answers", "higher"
    return Part(key, **facts)
