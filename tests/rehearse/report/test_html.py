"""report.html: self-contained, escaped, readable without JavaScript."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from podready.rehearse.report.html import render_html, write_html
from podready.rehearse.report.json import write_json
from podready.rehearse.report.picture import picture, uncovered
from podready.rehearse.report.svg import ticks
from podready.rehearse.result import (
    Bin,
    Cause,
    Lane,
    Loss,
    Mark,
    RehearsalResult,
    ScenarioResult,
    StateSpan,
    Verdict,
)
from podready.rehearse.result_json import from_json

EVIL = "<script>alert('x')</script>"

LANE = Lane(
    pod="default/web-1",
    revision="5d4f8",
    spans=(
        StateSpan("ready", 0.0, 3.0),
        StateSpan("draining", 3.0, 6.0),
        StateSpan("listening", 0.0, 3.1),
        StateSpan("routed", 0.0, 4.2),
    ),
    marks=(
        Mark(3.0, "deleted"),
        Mark(3.02, "SIGTERM"),
        Mark(3.1, "listener closed"),
        Mark(6.0, "exited 0"),
    ),
    exit_code=0,
)


def a_loss(at: float, **changes: Any) -> Loss:
    """Return one refused request."""
    loss = Loss(
        at=at,
        intended=at,
        kind="hello",
        method="GET",
        connection="new",
        outcome="refused",
        status=0,
        pod="default/web-1",
        node=0,
        reused=False,
        error="ECONNREFUSED",
        cause="listener-closed-early",
    )
    return replace(loss, **changes)


def a_result(**changes: Any) -> RehearsalResult:
    """Return a rehearsal of one scenario with three losses."""
    outcomes = ("refused", "reset", "status")
    scenario = ScenarioResult(
        name="rolling-update",
        title="Rolling update",
        sent=1641,
        dropped=3,
        p50_ms=2.0,
        p99_ms=30.0,
        max_ms=2100.0,
        seconds=10.0,
        rollouts=1,
        causes=(
            Cause(
                "listener-closed-early",
                3,
                "The listener closed",
                "Run `podready run`",
                f"3 refused {EVIL}",
                f"-CMD old\n+CMD {EVIL}",
            ),
        ),
        lanes=(LANE, Lane("default/web-2", "77bfd", (StateSpan("ready", 2.0, 10.0),))),
        losses=tuple(a_loss(3.2 + i / 10, outcome=o) for i, o in enumerate(outcomes)),
        bins=tuple(Bin(i / 2, 150, 1 if i == 6 else 0, 2.0, 30.0) for i in range(20)),
        generator={"lag_p99_ms": 3.0},
    )
    made = RehearsalResult(
        verdict=Verdict.NOT_READY,
        sent=1641,
        dropped=3,
        gap_ms_95=25.8,
        scenarios=(scenario,),
        project=EVIL,
        settings={"requests/s": "300", "replay": f"podready rehearse {EVIL}"},
        facts={"kernel": EVIL},
        limits=("Memory limits are not enforced.",),
    )
    return replace(made, **changes)


class Outline(HTMLParser):
    """Collects what a browser would load, and whether tags are balanced."""

    VOID = frozenset({"meta", "link", "br", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        values = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loaded += [str(values[key]) for key in ("src",) if key in values]
        self.loaded += [str(values["href"])] if tag == "link" else []
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values["href"])] if tag == "a" else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open tag is closed."""
        assert self.open.pop() == tag


def outline(html: str) -> Outline:
    """Return the outline of a document whose tags are all closed in order."""
    parser = Outline()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_one_file_that_loads_nothing(tmp_path: Path) -> None:
    """It can be mailed: no script, no image, no style sheet, no font from anywhere."""
    text = write_html(a_result(), tmp_path).read_text(encoding="utf-8")
    seen = outline(text)
    assert seen.loaded == []
    assert "script" not in seen.tags
    assert "@import" not in text
    assert len(text) < 300_000


def test_verdict_table_picture_cause_and_facts_are_there() -> None:
    """Who opens it sees the word, the count, the cause, the fix, the patch and the limits."""
    text = render_html(a_result())
    for words in (
        "Not ready",
        "3 of 1,641 requests dropped",
        "Rolling update",
        "The listener closed",
        "<code>podready run</code>",
        '<span class="removed">-CMD old</span>',
        "Memory limits are not enforced.",
        "exit 0 after 3.0 s, 1.10 s uncovered",
    ):
        assert words in text


def test_links_inside_the_page_lead_somewhere() -> None:
    """Each fragment link has its target, and each target is there once."""
    seen = outline(render_html(a_result()))
    wanted = {link[1:] for link in seen.links if link.startswith("#")}
    assert wanted <= set(seen.ids)
    assert len(seen.ids) == len(set(seen.ids))


def test_everything_is_escaped() -> None:
    """Names, evidence, patches, facts: no text becomes markup."""
    text = render_html(a_result())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(
    ("verdict", "word"), [(Verdict.READY, "Ready"), (Verdict.INCONCLUSIVE, "Inconclusive")]
)
def test_other_verdicts(verdict: Verdict, word: str) -> None:
    """Each verdict has its own word and its own paragraph about how sure it is."""
    quiet = replace(a_result().scenarios[0], dropped=0, losses=(), causes=())
    text = render_html(a_result(verdict=verdict, dropped=0, scenarios=(quiet,)))
    assert f"<strong>{word}</strong>" in text
    outline(text)


def test_the_picture_is_valid_and_accessible() -> None:
    """SVG that parses, with a title, a description, and words on every loss."""
    root = ET.fromstring(picture(a_result().scenarios[0]))
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == ["title", "desc"]
    lost = [e for e in root.iter() if e.attrib.get("class") == "lost"]
    assert len(lost) == 3
    assert all("GET hello" in (e.findtext("title") or "") for e in lost)
    shapes = {"".join(c for c in e.attrib["d"] if c.isalpha()) for e in lost}
    assert len(shapes) == 3  # colour alone must not say what kind of loss it was


def test_losses_without_a_pod_have_a_lane_of_their_own() -> None:
    """No endpoint was left, so no pod is to blame, but no loss may vanish either."""
    scenario = replace(a_result().scenarios[0], losses=(a_loss(3.0, pod=""),))
    assert "no pod" in picture(scenario)


def test_thousands_of_losses_stay_a_small_file() -> None:
    """Marks are thinned out evenly; the counts stay true."""
    many = tuple(a_loss(3.0 + i / 5000) for i in range(5000))
    scenario = replace(a_result().scenarios[0], losses=many, dropped=5000)
    text = render_html(a_result(scenarios=(scenario,)))
    assert len(text) < 300_000
    assert "5000 lost" in text


def test_the_uncovered_gap_is_routed_without_a_listener() -> None:
    """From the moment the listener closed until the last proxy stopped."""
    assert uncovered(LANE) == [StateSpan("gap", 3.1, 4.2)]
    assert uncovered(replace(LANE, marks=())) == []


def test_json_lies_beside_it(tmp_path: Path) -> None:
    """report.json holds the same result."""
    path = write_json(a_result(), tmp_path)
    assert from_json(path.read_text(encoding="utf-8")) == a_result()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), (0, 45, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    """Axes count in steps that people count in."""
    assert ticks(low, high) == expected
