"""The page's text, read by prometheus_client's parsers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain
from tests.runtime.metrics.served import count

from podready.runtime.metrics.aggregate import Aggregate, exemplars
from podready.runtime.metrics.exposition import Renderer, wants_openmetrics
from podready.runtime.metrics.families import (
    FAMILIES,
    REJECTED,
    REQUEST_DURATION,
    SECONDS,
    WORKER_EXITS,
    Family,
    label_text,
)
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import MetricsSegment


def parse(text: bytes, *, openmetrics: bool) -> dict[str, Metric]:
    """Return the families in `text`, by name."""
    read = read_openmetrics if openmetrics else read_plain
    end = "# EOF\n" if openmetrics else ""
    families: Iterable[Metric] = read(text.decode() + end)
    return {each.name: each for each in families}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_family_of_the_table_is_read_back(openmetrics: bool) -> None:
    """All metrics on one page, with all their labels: both parsers take every one of them."""
    renderer = Renderer()
    text = b""
    for family in FAMILIES:
        labels = label_text(family, *("x" for _ in family.labels))
        values = (*range(15), 1.5) if family.kind == "histogram" else (3.0,)
        text += renderer.family(family, [(labels, values)], openmetrics=openmetrics)
    found = parse(text, openmetrics=openmetrics)
    assert len(found) == len(FAMILIES)
    for family in FAMILIES:
        metric = found[family.name.removesuffix("_total")]
        assert (metric.type, metric.documentation) == (family.kind, family.help)
        assert set(family.labels) <= set(metric.samples[0].labels)


@pytest.mark.slow
@pytest.mark.parametrize("openmetrics", [False, True])
@settings(deadline=None)
@given(
    routes=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), unique=True, max_size=5),
    seconds=st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
)
def test_any_route_and_any_duration_are_read_back(
    routes: list[str], seconds: list[float], openmetrics: bool
) -> None:
    """Quotes, percent signs, line ends and any Unicode in a label; any duration in the buckets."""
    segment = MetricsSegment()
    metrics = HttpMetrics(segment)
    for route in routes:
        for each in seconds:
            method = metrics.series_of({"method": "GET", "scheme": "http"})
            count(method, route, 200, each)
    series = Aggregate().totals([segment]).get(REQUEST_DURATION, {})
    text = Renderer().family(REQUEST_DURATION, series.items(), openmetrics=openmetrics)
    found = parse(text, openmetrics=openmetrics)
    samples = found[REQUEST_DURATION.name].samples if routes else []
    for route in routes:
        mine = [each for each in samples if each.labels["http_route"] == route]
        by_bound = {each.labels["le"]: each.value for each in mine if "le" in each.labels}
        for bound in SECONDS:
            assert by_bound[str(bound)] == sum(each <= bound for each in seconds)
        ends = {each.name.rpartition("_")[2]: each.value for each in mine}
        assert ends["count"] == len(seconds)
        assert ends["sum"] == pytest.approx(sum(seconds))


def test_exemplars_stand_behind_their_buckets() -> None:
    """A slow request that was traced: OpenMetrics shows its ids at the bucket it fell into."""
    segment = MetricsSegment()
    method = HttpMetrics(segment).series_of({"method": "GET", "scheme": "http"})
    for seconds, trace in ((0.3, (b"\xab" * 16, b"\xcd" * 8, 1700000000.25)), (0.001, None)):
        count(method, "/pay", 200, seconds, trace)
    series = Aggregate().totals([segment])[REQUEST_DURATION].items()
    marks = exemplars([segment])[REQUEST_DURATION]
    text = Renderer().family(REQUEST_DURATION, series, openmetrics=True, exemplars=marks)
    samples = parse(text, openmetrics=True)[REQUEST_DURATION.name].samples
    (marked,) = [each for each in samples if each.exemplar is not None]
    assert marked.labels["le"] == "0.5"
    assert marked.exemplar is not None
    assert marked.exemplar.labels == {"trace_id": "ab" * 16, "span_id": "cd" * 8}
    assert marked.exemplar.value == 0.3
    assert float(marked.exemplar.timestamp or 0) == 1700000000.25
    plain = Renderer().family(REQUEST_DURATION, series, exemplars=marks)
    assert b"trace_id" not in plain


def test_series_that_come_and_go_are_drawn_as_they_are_now() -> None:
    """One renderer for the life of the pod: a new route, a worker that has gone, a new order."""
    renderer = Renderer()
    first, second = (label_text(REQUEST_DURATION, "GET", each, "200", "http") for each in "ab")
    for labels in ([first], [first, second], [second, first], [second], [first, second]):
        series = [(each, (*[place + 1] * 15, 0.5)) for place, each in enumerate(labels)]
        drawn = renderer.family(REQUEST_DURATION, series)
        assert drawn == Renderer().family(REQUEST_DURATION, series)
        samples = parse(drawn, openmetrics=False)[REQUEST_DURATION.name].samples
        counts = [each.value for each in samples if each.name.endswith("_count")]
        assert counts == [15.0 * (place + 1) for place in range(len(labels))]


def test_an_exemplar_finds_its_series_among_many() -> None:
    """The third of four routes has one, in its last bucket and in its first."""
    segment = MetricsSegment()
    method = HttpMetrics(segment).series_of({"method": "GET", "scheme": "http"})
    for route in ("/a", "/b", "/c", "/d"):
        for seconds in (0.001, 99.0):
            mark = (b"\xab" * 16, b"\xcd" * 8, 1.0) if route == "/c" else None
            count(method, route, 200, seconds, mark)
    totals = Aggregate().totals([segment])
    text = Renderer().page(totals, openmetrics=True, exemplars=exemplars([segment]))
    page = text.removesuffix(b"# EOF\n")
    samples = parse(page, openmetrics=True)[REQUEST_DURATION.name].samples
    marked = [each for each in samples if each.exemplar is not None]
    assert [(each.labels["http_route"], each.labels["le"]) for each in marked] == [
        ("/c", "0.005"),
        ("/c", "+Inf"),
    ]


def test_a_family_without_series_is_not_on_the_page() -> None:
    """No exit yet: no head without samples."""
    assert Renderer().family(WORKER_EXITS, []) == b""


def test_a_counter_loses_its_suffix_in_the_head_of_openmetrics_only() -> None:
    """The two formats differ in how they name a counter's family."""
    assert b"# TYPE podready_shed_total counter" in Renderer().family(REJECTED, [("", (1.0,))])
    text = Renderer().family(REJECTED, [("", (1.0,))], openmetrics=True)
    assert b"# TYPE podready_shed counter" in text
    assert b"\npodready_shed_total 1\n" in text


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        (  # what Prometheus 2.53 sends
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*",
            True,
        ),
        ("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.9", False),
        ("application/openmetrics-text;q=0,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=much", False),
        ("application/vnd.google.protobuf;q=0.9, text/plain; q=0.1", False),
    ],
)
def test_openmetrics_only_for_those_who_prefer_it(accept: str, openmetrics: bool) -> None:
    """A browser and curl get the older text; Prometheus gets what it asks for first."""
    assert wants_openmetrics(accept) is openmetrics


def test_names_keep_to_the_conventions() -> None:
    """Counters end in _total, only they do, and no two families share a name."""
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.help.endswith(".")


def test_label_values_must_be_as_many_as_names() -> None:
    """A cell with a label too few is a mistake of ours, found at once."""
    with pytest.raises(ValueError, match="argument"):
        label_text(Family("x", "gauge", "x.", ("a", "b")), "1")
