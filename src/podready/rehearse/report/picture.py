"""The picture of one scenario: requests and latency on top, one lane a pod below, one time axis.

Lost requests are red marks on the lane of the pod that lost them, exactly where the hatched band
(some proxy still routes here) outlives what listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podready.rehearse.report.svg import Drawing, Scale, log_scale, ticks
from podready.rehearse.result import Bin, Lane, Loss, Mark, ScenarioResult, StateSpan

WIDTH: Final = 1000.0
LEFT: Final = 168.0
RIGHT: Final = 985.0
CHART: Final = 52.0
CHART_GAP: Final = 22.0
LANE: Final = 42.0
BAR: Final = 14.0
HATCH: Final = 7.0
TOP: Final = 18.0

STATES: Final = {
    "pending": "created, not running yet",
    "starting": "running, not ready yet",
    "ready": "ready",
    "unready": "not ready",
    "draining": "stopping, still running",
}
"""States that a bar is drawn for, with their meaning for the legend."""

_SYMBOLS: Final = {
    "refused": "M-3,-3 L3,3 M3,-3 L-3,3",
    "reset": "M0,-3.6 L3.6,0 L0,3.6 L-3.6,0 Z",
    "eof": "M0,-3.6 L3.6,0 L0,3.6 L-3.6,0 Z",
    "timeout": "M-3,-3 H3 V3 H-3 Z",
    "status": "M0,-3.6 L3.4,3 L-3.4,3 Z",
    "invalid": "M0,-3.6 L3.4,3 L-3.4,3 Z",
}
"""One shape a kind of loss: colour alone must not carry it."""

_MOST_MARKS: Final = 500


def picture(scenario: ScenarioResult) -> str:
    """Return the scenario's timeline as SVG markup."""
    lanes = _lanes(scenario)
    charts = 2 * (CHART + CHART_GAP)
    height = TOP + charts + LANE * len(lanes) + 30
    drawing = Drawing(WIDTH, height, f"Timeline: {scenario.title}", _describe(scenario))
    end = max([scenario.seconds, *(b.at for b in scenario.bins)])
    x = Scale(0, end, LEFT, RIGHT)
    bottom = height - 24
    for t in ticks(0, end):
        drawing.line(x(t), TOP, x(t), bottom, "grid")
        drawing.text(x(t), height - 8, f"{t:g} s", "tick middle")
    _draw_rate(drawing, x, scenario.bins, TOP + 4)
    _draw_latency(drawing, x, scenario.bins, TOP + CHART + CHART_GAP)
    for number, lane in enumerate(lanes):
        lost = [loss for loss in scenario.losses if loss.pod == lane.pod]
        _draw_lane(drawing, x, lane, lost, TOP + charts + number * LANE)
    return drawing.markup()


def legend_swatch(style: str) -> str:
    """Return a small image of one class, for the legend."""
    drawing = Drawing(22, 12, style, "")
    if style == "lost":
        drawing.shape(_moved("refused", 11, 6), "lost")
    elif style == "routed":
        drawing.rect(0, 2, 22, 8, "routed")
    elif style == "gap":
        drawing.rect(0, 0, 22, 12, "gap")
    elif style == "mark":
        drawing.line(11, 0, 11, 12, "mark stop")
    elif style == "listening":
        drawing.rect(0, 4, 22, 3, "listening")
    else:
        drawing.rect(0, 1, 22, 10, f"state {style}")
    return drawing.markup().replace('class="timeline"', 'class="swatch"', 1)


def _lanes(scenario: ScenarioResult) -> list[Lane]:
    """Return the pods' lanes, and one for requests that no pod lost."""
    known = {lane.pod for lane in scenario.lanes}
    podless = any(loss.pod not in known for loss in scenario.losses)
    return [*scenario.lanes, *([Lane(pod="", revision="")] if podless else [])]


def _describe(scenario: ScenarioResult) -> str:
    return (
        f"{scenario.sent} requests in {scenario.seconds:.1f} seconds, {scenario.dropped} dropped; "
        f"{len(scenario.lanes)} pods took part. Every mark has a title that says what it is."
    )


def _draw_rate(drawing: Drawing, x: Scale, bins: Sequence[Bin], y: float) -> None:
    width = _bin_width(bins)
    most = max((b.sent for b in bins), default=0) or 1
    _chart_label(drawing, y, "requests/s", f"{most / width:.0f}")
    for one in bins:
        left, right = x(one.at), x(one.at + width)
        tall = one.sent / most * CHART
        bad = one.dropped / most * CHART
        title = f"{one.at:.1f} s: {one.sent / width:.0f} requests/s, {one.dropped} dropped"
        if tall > bad:
            drawing.rect(left, y + CHART - tall, right - left - 0.3, tall - bad, "sent", title)
        if bad:
            drawing.rect(left, y + CHART - bad, right - left - 0.3, bad, "dropped", title)


def _draw_latency(drawing: Drawing, x: Scale, bins: Sequence[Bin], y: float) -> None:
    answered = [b for b in bins if b.p99_ms > 0]
    high = max((b.p99_ms for b in answered), default=10.0)
    low = max(0.1, min((b.p50_ms for b in answered), default=1.0) / 2)
    scale = log_scale(low, high, y + CHART, y)
    _chart_label(drawing, y, "latency (log)", _milliseconds(high))
    half = _bin_width(bins) / 2
    for style, name in (("p99", "p99"), ("p50", "p50")):
        points = [(x(b.at + half), scale(getattr(b, f"{name}_ms"))) for b in answered]
        drawing.path(points, f"series {style}", f"{name} of the answered requests")
        if answered:
            value = getattr(answered[0], f"{name}_ms")
            drawing.text(LEFT - 6, scale(value) + 3, f"{name} {_milliseconds(value)}", "tick end")


def _chart_label(drawing: Drawing, y: float, text: str, most: str) -> None:
    drawing.text(4, y + 11, text, "label")
    drawing.text(4, y + 25, f"most {most}", "tick")
    drawing.line(LEFT, y + CHART, RIGHT, y + CHART, "axis")


def _bin_width(bins: Sequence[Bin]) -> float:
    return max(1e-3, bins[1].at - bins[0].at) if len(bins) > 1 else 1.0


def _draw_lane(drawing: Drawing, x: Scale, lane: Lane, lost: Sequence[Loss], y: float) -> None:
    name, detail = _lane_name(lane)
    drawing.text(4, y + 13, name, "label", lane.pod)
    drawing.text(4, y + 27, f"{len(lost)} lost" if lost else detail, "bad" if lost else "tick")
    _draw_ending(drawing, x, lane, y)
    drawing.line(LEFT, y + LANE - 5, RIGHT, y + LANE - 5, "lane")
    for gap in uncovered(lane):
        title = f"{gap.end - gap.start:.2f} s in which proxies routed to a pod that did not accept"
        drawing.rect(x(gap.start), y, x(gap.end) - x(gap.start), LANE - 6, "gap", title)
    for span in lane.spans:
        _draw_span(drawing, x, span, y)
    for mark in lane.marks:
        _draw_mark(drawing, x, mark, y)
    _draw_losses(drawing, x, _spread(lost), y + BAR / 2 + 2)


def _draw_losses(drawing: Drawing, x: Scale, lost: Sequence[Loss], y: float) -> None:
    """Draw the marks over their halos: the halos come first, so that none hides a neighbour."""
    for loss in lost:
        drawing.shape(_moved(loss.outcome, x(loss.at), y), "halo")
    for loss in lost:
        title = (
            f"{loss.at:.3f} s: {loss.method} {loss.kind} {loss.outcome} {loss.error} "
            f"({loss.connection}, {'reused' if loss.reused else 'new'} connection), {loss.cause}"
        )
        drawing.shape(_moved(loss.outcome, x(loss.at), y), "lost", title)


def _draw_span(drawing: Drawing, x: Scale, span: StateSpan, y: float) -> None:
    left, width = x(span.start), x(span.end) - x(span.start)
    title = f"{span.state}: {span.start:.2f}-{span.end:.2f} s"
    if span.state == "routed":
        drawing.rect(left, y + BAR + 8, width, HATCH, "routed", title)
    elif span.state == "listening":
        drawing.rect(left, y + BAR + 4, width, 2.5, "listening", title)
    else:
        drawing.rect(left, y + 2, width, BAR, f"state {span.state}", title)


def _draw_mark(drawing: Drawing, x: Scale, mark: Mark, y: float) -> None:
    style = "mark"
    if mark.label == "SIGKILL":
        style = "mark kill"
    elif mark.label in ("deleted", "SIGTERM"):
        style = "mark stop"
    title = f"{mark.at:.3f} s: {mark.label}" + (f" ({mark.detail})" if mark.detail else "")
    drawing.line(x(mark.at), y - 1, x(mark.at), y + BAR + 16, style, title)


def _draw_ending(drawing: Drawing, x: Scale, lane: Lane, y: float) -> None:
    """Say beside the bar how the pod ended and how long the gap was: print has no tooltips."""
    drained = [span for span in lane.spans if span.state == "draining"]
    if not drained or lane.exit_code is None:
        return
    last = drained[-1]
    note = f"exit {lane.exit_code} after {last.end - last.start:.1f} s"
    gap = sum(span.end - span.start for span in uncovered(lane))
    note += f", {gap:.2f} s uncovered" if gap >= 0.005 else ""
    left = max([last.end, *(span.end for span in lane.spans if span.state == "routed")])
    if RIGHT - x(left) > 6.2 * len(note):
        drawing.text(x(left) + 8, y + 13, note, "note")


def uncovered(lane: Lane) -> list[StateSpan]:
    """Return where a proxy still routed to the pod while nothing listened any more."""
    stops = [mark.at for mark in lane.marks if mark.label in ("deleted", "SIGTERM")]
    listening = [span for span in lane.spans if span.state == "listening"]
    if not stops or not listening:
        return []
    closed = max(span.end for span in listening)
    routed = max((span.end for span in lane.spans if span.state == "routed"), default=0.0)
    start = max(closed, min(stops))
    return [StateSpan("gap", start, routed)] if routed > start else []


def _lane_name(lane: Lane) -> tuple[str, str]:
    if not lane.pod:
        return "no pod", ""
    name = lane.pod.partition("/")[2] or lane.pod
    short = name if len(name) <= 26 else f"…{name[-25:]}"
    ended = f"exit {lane.exit_code}" if lane.exit_code is not None else "running"
    return short, f"revision {lane.revision} · {ended}" if lane.revision else ended


def _spread(lost: Sequence[Loss]) -> Sequence[Loss]:
    """Return at most so many losses, evenly taken: all of them are in report.json."""
    step = max(1, -(-len(lost) // _MOST_MARKS))
    return lost[::step]


def _moved(outcome: str, x: float, y: float) -> str:
    """Return the symbol of an outcome around (x, y): path commands with absolute numbers."""
    shape = _SYMBOLS.get(outcome, _SYMBOLS["invalid"])
    moved = []
    for step in shape.split(" "):
        command, numbers = step[0], step[1:]
        if command == "Z":
            moved.append("Z")
        elif command == "H":
            moved.append(f"H{float(numbers) + x:.1f}")
        elif command == "V":
            moved.append(f"V{float(numbers) + y:.1f}")
        else:
            dx, dy = numbers.split(",")
            moved.append(f"{command}{float(dx) + x:.1f},{float(dy) + y:.1f}")
    return "".join(moved)


def _milliseconds(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
