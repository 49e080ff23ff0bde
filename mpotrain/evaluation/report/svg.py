"""Inline SVG by hand: a few shapes, colours by CSS class, so that a page needs no script and no network."""

from dataclasses import dataclass, field
from html import escape
from math import floor, log10
from typing import Literal

WIDTH = 360  # units; drawn one to one on a phone, somewhat larger on a desk


@dataclass(slots=True)
class Drawing:
    """Shapes on a canvas of `width` x `height` units, origin top left."""

    title: str  # read aloud in place of the picture
    height: float
    width: float = WIDTH
    _parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "") -> None:
        self._parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>')

    def dot(self, x: float, y: float, radius: float, css: str = "", tip: str = "") -> None:
        body = f"<title>{escape(tip)}</title>" if tip else ""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{css}">{body}</circle>')

    def diamond(self, x: float, y: float, radius: float, css: str = "", tip: str = "") -> None:
        body = f"<title>{escape(tip)}</title>" if tip else ""
        points = f"{x - radius:.1f},{y:.1f} {x:.1f},{y - radius:.1f} {x + radius:.1f},{y:.1f} {x:.1f},{y + radius:.1f}"
        self._parts.append(f'<polygon points="{points}" class="{css}">{body}</polygon>')

    def text(
        self, x: float, y: float, text: str, css: str = "", anchor: Literal["start", "middle", "end"] = "start"
    ) -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>')

    def render(self) -> str:
        """The `<svg>` element."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{escape(self.title)}">'
            + "".join(self._parts)
            + "</svg>"
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to units along one axis."""

    low: float
    high: float
    start: float  # where `low` is drawn
    stop: float  # where `high` is drawn

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the scale, about as many as asked."""
        span = (self.high - self.low) or 1.0
        raw = span / about
        power = 10.0 ** floor(log10(raw))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.99)
        first = -(-self.low // step)
        return [round(step * (first + index), 10) for index in range(int((self.high - first * step) / step + 1e-9) + 1)]
