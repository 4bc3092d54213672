"""report.html: one self-contained file that needs no network, no JavaScript and no colour sense.

Pure: everything shown is in the result, so a saved result can be drawn again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from podready.rehearse.report.picture import STATES, legend_swatch, picture
from podready.rehearse.result import RehearsalResult, ScenarioResult, Verdict
from podready.rehearse.verdict import headline, ranked_causes, ranked_findings, reasons

FILE_NAME: Final = "report.html"

_WORDS: Final = {
    Verdict.READY: "Ready",
    Verdict.NOT_READY: "Not ready",
    Verdict.INCONCLUSIVE: "Inconclusive",
}

_LEGEND: Final = {
    **STATES,
    "listening": "something listens on the app's port",
    "routed": "some proxy still sends new connections here",
    "gap": "routed to, but nothing listens: requests are lost here",
    "mark": "a moment: deletion, SIGTERM, listener closed, exit (hover for details)",
    "lost": "a lost request, on the lane of the pod that lost it",
}


def write_html(result: RehearsalResult, folder: Path) -> Path:
    """Write the file into `folder` and return its path."""
    path = folder / FILE_NAME
    path.write_text(render_html(result), encoding="utf-8")
    return path


def render_html(result: RehearsalResult) -> str:
    """Return the report as one HTML document."""
    template = _environment().get_template("report.html.j2")
    causes, findings = ranked_causes(result), ranked_findings(result)
    return template.render(
        result=result,
        word=_WORDS[result.verdict],
        headline=headline(result).partition("  ")[2],
        reasons=reasons(result),
        causes=causes,
        findings=findings,
        worst=_worst(result),
        pictures={s.name: Markup(picture(s)) for s in result.scenarios},  # noqa: S704 - our own SVG, built and escaped by ElementTree
        legend=_legend(),
        listed=50,
    )


def _worst(result: RehearsalResult) -> str:
    """Return the name of the scenario that lost most, for the table's emphasis."""
    worst = max(result.scenarios, key=_loss, default=None)
    return worst.name if worst is not None and worst.dropped else ""


def _loss(scenario: ScenarioResult) -> int:
    return scenario.dropped


def _legend() -> list[tuple[Markup, str]]:
    return [(Markup(legend_swatch(style)), meaning) for style, meaning in _LEGEND.items()]  # noqa: S704 - as above


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("podready.rehearse.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["milliseconds"] = _milliseconds
    environment.filters["coded"] = _coded
    environment.filters["kind_of_line"] = _kind_of_line
    return environment


def _milliseconds(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _coded(text: str) -> Markup:
    """Return the text with the parts between backticks set as code; all of it escaped first."""
    parts = str(escape(text)).split("`")
    return Markup("".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)))  # noqa: S704 - escaped above


def _kind_of_line(line: str) -> str:
    return {"+": "added", "-": "removed"}.get(line[:1], "")
