"""Hand-made SVG: a few shapes, escaped and titled, and nothing that needs a chart library."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

NICE_STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map of [low, high] onto the pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values outside stay at the edge."""
        span = self.high - self.low or 1.0
        share = min(1.0, max(0.0, (value - self.low) / span))
        return round(self.start + share * (self.end - self.start), 1)


class Drawing:
    """An SVG image with a title and a description for those who do not see it."""

    def __init__(self, width: float, height: float, title: str, text: str) -> None:
        self.root = ET.Element(
            "svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": "timeline"}
        )
        ET.SubElement(self.root, "title").text = title
        ET.SubElement(self.root, "desc").text = text

    def rect(
        self, x: float, y: float, width: float, height: float, style: str, title: str = ""
    ) -> None:
        """Draw a rectangle; `style` is its CSS class."""
        self._add(
            "rect",
            style,
            title,
            x=x,
            y=y,
            width=max(0.6, round(width, 1)),
            height=round(max(0.0, height), 1),
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str, title: str = "") -> None:
        """Draw a straight line."""
        self._add("line", style, title, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Sequence[tuple[float, float]], style: str, title: str = "") -> None:
        """Draw a line through the points."""
        if points:
            steps = " ".join(f"{x:g},{y:g}" for x, y in points)
            self._add("polyline", style, title, points=steps)

    def shape(self, d: str, style: str, title: str = "") -> None:
        """Draw an outline in path syntax."""
        self._add("path", style, title, d=d)

    def text(self, x: float, y: float, words: str, style: str, title: str = "") -> None:
        """Write text that begins, or with class `end` ends, at x."""
        element = self._add("text", style, title, x=x, y=y)
        if title:
            element[0].tail = words
        else:
            element.text = words

    def markup(self) -> str:
        """Return the image as markup that is safe to put into a page."""
        return ET.tostring(self.root, encoding="unicode")

    def _add(self, tag: str, style: str, title: str, **values: float | str) -> ET.Element:
        attributes = {name: _number(value) for name, value in values.items()}
        element = ET.SubElement(self.root, tag, {"class": style, **attributes})
        if title:
            ET.SubElement(element, "title").text = title
        return element


def ticks(low: float, high: float, most: int = 12) -> list[float]:
    """Return round moments between low and high, at most about `most` of them."""
    span = high - low
    step = next((s for s in NICE_STEPS if span / s <= most), NICE_STEPS[-1])
    first = math.ceil(low / step)
    return [round(i * step, 3) for i in range(first, int(high / step + 1e-9) + 1)]


def log_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return a logarithmic map of [low, high] onto pixels; values below `low` stay at its edge."""
    linear = Scale(math.log10(low), math.log10(max(high, low * 10)), start, end)
    return lambda value: linear(math.log10(max(value, low)))


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{round(value, 1):g}"
