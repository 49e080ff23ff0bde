"""A method's published search space, walked: one training run per combination, in a folder and a process of its own."""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError, UnknownName
from mpodata.runtime.children import run_bound
from mpotrain.config import SEARCH, find_loss, parse, preset_file
from mpotrain.runs import is_finished, read_run, write_json

ARGUMENTS = "arguments.json"  # in the sweep's folder: what all its runs share


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of a search space."""

    flags: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """Its folder: beta=0.1,gamma=1.2"""
        return ",".join(f"{flag}={value}" for flag, value in self.flags) or "defaults"

    @property
    def arguments(self) -> list[str]:
        return [text for flag, value in self.flags for text in (f"--{flag}", str(value))]


def space(
    method: str, preset: str | None = None, *, common: bool = False, changed: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[Any]]:
    """Flag -> values for `method`: the paper's, or the preset's own; `common` adds learning rate, epochs and batch.

    `changed` replaces a flag's values or adds a flag. Raises UnknownName for a method.
    """
    name = find_loss(method).name
    own = preset_file(preset).get("search") if preset else None
    spaces = own or preset_file(SEARCH)["search"]
    if name not in spaces:
        raise UnknownName("method of the search space:", name, [key for key in spaces if key != "common"])
    return {**(spaces.get("common", {}) if common else {}), **spaces[name], **(changed or {})}


def points(values: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination, the last flag fastest."""
    return [Point(tuple(zip(values, chosen, strict=True))) for chosen in itertools.product(*values.values())]


def check_points(folder: Path, plan: Sequence[Point], flags: Sequence[str], preset: str | None) -> None:
    """Every run's flags are read before the first one trains, GPU or not; raises ConfigError, UnknownName."""
    for point in plan:
        parse([*flags, *point.arguments, "--output_dir", str(folder / point.name), "--use_cpu", "true"], preset)


def walk(folder: Path, plan: Sequence[Point], arguments: Sequence[str]) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Train every point with `mpotrain train ARGUMENTS`; what is complete is not trained again.

    Raises ConfigError at the first run that fails (its own output says why), and where `folder` holds the runs of other
    ARGUMENTS.
    """
    given = folder / ARGUMENTS
    if given.is_file() and json.loads(given.read_text(encoding="utf-8"))["arguments"] != list(arguments):
        raise ConfigError(f"{folder} holds runs with other flags ({given.name}): choose another folder.")
    write_json(given, {"arguments": list(arguments)})
    for point in plan:
        place = folder / point.name
        if not is_finished(place):
            line = [sys.executable, "-m", "mpotrain.cli", "train", *arguments, *point.arguments]
            if code := run_bound([*line, "--output_dir", str(place)]):
                raise ConfigError(f"The run {point.name} failed (exit code {code}): see above.")
        yield point, read_run(place)


def ranking(results: Sequence[tuple[Point, Mapping[str, Any]]], metric: str, *, lowest: bool) -> list[dict[str, Any]]:
    """One entry per run, best first; raises UnknownName where no run has `metric`."""
    names = sorted({name for _, run in results for name in run["metrics"]})
    if metric not in names:
        raise UnknownName("metric", metric, names)
    entries = [{"run": p.name, **dict(p.flags), metric: run["metrics"].get(metric)} for p, run in results]
    return sorted(entries, key=lambda e: (e[metric] is None, e[metric] if lowest else -e[metric]))


def write_ranking(folder: Path, method: str, metric: str, split: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write sweep.json; `split` of the version is what the metric was measured on."""
    runs = json.loads(json.dumps(entries))
    write_json(folder / "sweep.json", {"schema": 1, "method": method, "metric": metric, "split": split, "runs": runs})
