"""The report's plots: rates with intervals, reward gaps, safety against helpfulness, states in two dimensions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpotrain.evaluation.report.svg import WIDTH, Drawing, Scale
from mpotrain.evaluation.statistics import Interval

Points = NDArray[np.float64]  # (n, 2)

LABELS = 84.0  # units for language names, left of the plots
EDGE = 14.0  # units kept free on the right, for half a tick label
COLOURS = 10  # of the style sheet, one a model
GUTTER = 292.0  # where names start that stand right of a plot


@dataclass(frozen=True, slots=True)
class Series:
    """One model in a plot; its place in the list is its colour."""

    label: str
    values: Mapping[str, Interval]  # language name -> estimate


def forest(title: str, series: Sequence[Series], *, percent: bool = True, reference: float | None = None) -> str:
    """One line per language, one dot with its interval per model; `reference` is a dashed line across."""
    names = list(dict.fromkeys(name for one in series for name in one.values))
    known = [one.values[name] for one in series for name in names if name in one.values]
    step = 11.0
    row = step * len(series) + 12
    drawing = Drawing(title, 8 + row * len(names) + 22)
    scale = _scale([edge for i in known for edge in (i.low, i.high)], percent, reference)
    bottom = 6 + row * len(names)
    for tick in scale.ticks(4):
        drawing.line(scale(tick), 4, scale(tick), bottom, "grid")
        drawing.text(scale(tick), bottom + 14, f"{100 * tick:g}%" if percent else f"{tick:g}", "tick", "middle")
    if reference is not None:
        drawing.line(scale(reference), 4, scale(reference), bottom, "reference")
    for place, name in enumerate(names):
        top = 6 + place * row
        drawing.text(0, top + row / 2 + 4, name, "label")
        for index, one in enumerate(series):
            if name in one.values:
                _whisker(
                    drawing, scale, one.values[name], top + 11 + index * step, index, f"{one.label}, {name}", percent
                )
    return drawing.render()


def moves(title: str, across: Sequence[Series], up: Sequence[Series], axes: tuple[str, str]) -> str:
    """Each language as a point (`across`, `up`), both shares, joined from the first model to the others.

    Names stand in a column on the right, in the order of the last model's points, so that they never hide each other.
    """
    drawing = Drawing(title, 300)
    x_of = Scale(_floor(across), 1.0, 36, GUTTER - 18)
    y_of = Scale(_floor(up), 1.0, 252, 22)
    for tick in x_of.ticks(4):
        drawing.line(x_of(tick), 22, x_of(tick), 252, "grid")
        drawing.text(x_of(tick), 267, f"{100 * tick:g}%", "tick", "middle")
    for tick in y_of.ticks(4):
        drawing.line(36, y_of(tick), GUTTER - 18, y_of(tick), "grid")
        drawing.text(32, y_of(tick) + 4, f"{100 * tick:g}%", "tick", "end")
    drawing.text(36, 288, axes[0], "axis")
    drawing.text(0, 8, axes[1], "axis")
    names = [name for name in across[0].values if name in up[0].values]
    places = {
        name: [
            (x_of(x.values[name].value), y_of(y.values[name].value), index, x.label)
            for index, (x, y) in enumerate(zip(across, up, strict=True))
            if name in x.values and name in y.values
        ]
        for name in names
    }
    for points in places.values():
        for x, y, _, _ in points[1:]:
            drawing.line(points[0][0], points[0][1], x, y, "move")
    for name, points in places.items():
        for x, y, index, label in points:
            drawing.dot(x, y, 4.5, f"s{index % COLOURS}", f"{label}, {name}")
    ends = sorted(
        ((points[-1][1], points[-1][0], name) for name, points in places.items() if points), key=lambda e: e[0]
    )
    for level, (y, x, name) in zip(_spread([y for y, _, _ in ends], 14, 22, 280), ends, strict=True):
        drawing.line(x + 5, y, GUTTER - 3, level, "leader")
        drawing.text(GUTTER, level + 4, name, "small")
    return drawing.render()


def cloud(title: str, safe: Points, unsafe: Points, bounds: tuple[float, float, float, float]) -> str:
    """Two clouds of points, safe and unsafe responses, on axes shared with the other panels."""
    drawing = Drawing(title, 150, 170)
    across, up = Scale(bounds[0], bounds[1], 6, 164), Scale(bounds[2], bounds[3], 144, 6)
    drawing.line(6, 144, 164, 144, "grid")
    drawing.line(6, 6, 6, 144, "grid")
    for x, y in unsafe:
        drawing.diamond(across(x), up(y), 3, "unsafe")
    for x, y in safe:
        drawing.dot(across(x), up(y), 2.4, "safe")
    return drawing.render()


def _whisker(
    drawing: Drawing, scale: Scale, interval: Interval, y: float, index: int, whose: str, percent: bool
) -> None:
    factor, unit = (100, " %") if percent else (1, "")
    tip = f"{whose}: {factor * interval.value:.3g}{unit} ({factor * interval.low:.3g} to {factor * interval.high:.3g})"
    drawing.line(scale(interval.low), y, scale(interval.high), y, f"w{index % COLOURS}")
    drawing.dot(scale(interval.value), y, 3.6, f"s{index % COLOURS}", tip)


def _scale(values: Sequence[float], percent: bool, reference: float | None) -> Scale:
    """Rates on 0 to 100 %, other quantities on their own range."""
    if percent:
        return Scale(0.0, 1.0, LABELS, WIDTH - EDGE)
    wanted = [*values, 0.0, *([reference] if reference is not None else [])]
    margin = 0.05 * (max(wanted) - min(wanted) or 1.0)
    return Scale(min(wanted) - margin, max(wanted) + margin, LABELS, WIDTH - EDGE)


def _floor(series: Sequence[Series]) -> float:
    """Where an axis of shares begins: at a tenth below all points, so that points near 100 % do not pile up."""
    lowest = min((interval.value for one in series for interval in one.values.values()), default=0.0)
    return max(0.0, math.floor(10 * lowest - 1e-9) / 10) if lowest < 1 else 0.9


def _spread(levels: Sequence[float], apart: float, top: float, bottom: float) -> list[float]:
    """Sorted `levels` moved as little as keeps neighbours `apart` units from each other, and all within bounds where
    there is room.
    """
    placed: list[float] = []
    for level in levels:
        placed.append(max(level, placed[-1] + apart) if placed else level)
    surplus = placed[-1] - levels[-1] if placed else 0.0
    shift = min(surplus / 2, max(0.0, placed[0] - top)) if placed else 0.0
    shift = max(shift, placed[-1] - bottom) if placed else 0.0
    return [level - shift for level in placed]
