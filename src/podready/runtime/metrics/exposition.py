"""The page's text: Prometheus' own format (0.0.4), or OpenMetrics (1.0.0) where it is requested.

All histograms of a family are one `%` on a template that is kept, in bytes, where `%` is twice as
fast as in text. It must be drawn fast, for the supervisor answers probes on the same thread: 150
series of 15 buckets are 400 kB, and more than half of the time went into the page faults of memory
that was given back after the last scrape.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from podready.runtime.metrics.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.metrics.aggregate import Exemplars, Totals
    from podready.runtime.metrics.cells import Exemplar
    from podready.runtime.metrics.families import Family
    from podready.runtime.metrics.shared import Counts

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_MAX_KEPT: Final = 1 << 20
"""Bytes of a text that are not given back between two scrapes; about 350 series."""

_HEAD_LINES: Final = 2
_LINES_BESIDE_BOUNDS: Final = 3
"""Of a series: +Inf, _sum and _count."""

Series = tuple[str, "Counts"]
"""Label text and values."""


def wants_openmetrics(accept: str) -> bool:
    """Return whether this Accept header prefers OpenMetrics to plain text."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        if media in best:
            best[media] = max(best[media], _quality(parameters))
    openmetrics, plain = best.values()
    return openmetrics > 0 and openmetrics >= plain


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class Renderer:
    """Draws families; keeps the templates of the series it has drawn."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, str], bytes] = {}
        self._wholes: dict[str, tuple[list[str], bytes]] = {}
        self._last: dict[str, bytes] = {}

    def page(
        self,
        totals: Totals,
        app_text: bytes = b"",
        *,
        openmetrics: bool = False,
        exemplars: Exemplars | None = None,
    ) -> bytes:
        """Return the whole page, with the text of the app's own registry at its end."""
        marks = exemplars or {}
        parts = [
            self.family(
                each, totals[each].items(), openmetrics=openmetrics, exemplars=marks.get(each)
            )
            for each in FAMILIES
            if each in totals
        ]
        return self._kept("", b"".join((*parts, app_text, b"# EOF\n" if openmetrics else b"")))

    def family(
        self,
        family: Family,
        series: Iterable[Series],
        *,
        openmetrics: bool = False,
        exemplars: Mapping[str, Mapping[int, Exemplar]] | None = None,
    ) -> bytes:
        """Return the family's head and all its samples; nothing when it has none.

        `exemplars` are by label text and bucket; only OpenMetrics can show them.
        """
        drawn = list(series)
        if not drawn:
            return b""
        if family.kind != "histogram":
            samples = [_number(family, labels, values) for labels, values in drawn]
            return b"".join((_head(family, openmetrics), *samples))
        text = self._histograms(family, drawn)
        if openmetrics and exemplars:
            return _with_exemplars(text, family, [labels for labels, _ in drawn], exemplars)
        return text

    def _histograms(self, family: Family, series: list[Series]) -> bytes:
        bounds = len(family.bounds)
        figures: list[float] = []
        for _, (*counts, total) in series:
            buckets = list(accumulate(counts))
            count = buckets[-1]
            figures += buckets[:bounds]
            figures += (count, total, count)
        template = self._whole(family, [labels for labels, _ in series])
        return self._kept(family.name, template % tuple(figures))

    def _whole(self, family: Family, labels: list[str]) -> bytes:
        """Return the template of the family; it changes only when series come or go."""
        known, whole = self._wholes.get(family.name, (None, b""))
        if known != labels:
            head = _head(family, openmetrics=False).replace(b"%", b"%%")
            whole = b"".join((head, *(self._template(family, each) for each in labels)))
            self._wholes[family.name] = (labels, whole)
        return whole

    def _kept(self, name: str, text: bytes) -> bytes:
        """Keep a text until the next one is there, whose memory need not be fetched then."""
        if len(text) <= _MAX_KEPT:
            self._last[name] = text
        return text

    def _template(self, family: Family, labels: str) -> bytes:
        template = self._templates.get((family.name, labels))
        if template is None:
            template = self._templates[family.name, labels] = _template(family, labels)
        return template


def _head(family: Family, openmetrics: bool) -> bytes:
    name = family.name
    if openmetrics and family.kind == "counter":
        name = name.removesuffix("_total")
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode()


def _number(family: Family, labels: str, values: Counts) -> bytes:
    braces = f"{{{labels}}}" if labels else ""
    return f"{family.name}{braces} {_figure(values[0])}\n".encode()


def _figure(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _template(family: Family, labels: str) -> bytes:
    name = family.name
    labels = labels.replace("%", "%%")
    comma = "," if labels else ""
    bounds = [*(repr(bound) for bound in family.bounds), "+Inf"]
    lines = [f'{name}_bucket{{{labels}{comma}le="{bound}"}} %d\n' for bound in bounds]
    braces = f"{{{labels}}}" if labels else ""
    lines.append(f"{name}_sum{braces} %a\n{name}_count{braces} %d\n")
    return "".join(lines).encode()


def _with_exemplars(
    text: bytes,
    family: Family,
    labels: list[str],
    exemplars: Mapping[str, Mapping[int, Exemplar]],
) -> bytes:
    """Return a histogram family's lines with exemplars behind the buckets that have one."""
    lines = text.split(b"\n")
    for place, each in enumerate(labels):
        first = _HEAD_LINES + place * (len(family.bounds) + _LINES_BESIDE_BOUNDS)
        for bucket, (trace, span, when, value) in exemplars.get(each, {}).items():
            mark = f' # {{trace_id="{trace.hex()}",span_id="{span.hex()}"}} {value!r} {when:.3f}'
            lines[first + bucket] += mark.encode()
    return b"\n".join(lines)
