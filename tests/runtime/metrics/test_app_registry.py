"""The app's own prometheus_client metrics, put together from several workers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, Info
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from podready.runtime.metrics.app_registry import merge_texts, render_within


def registry(orders: int, kind: str) -> CollectorRegistry:
    """Return a registry as an app of a shop may have it."""
    made = CollectorRegistry()
    Counter("shop_orders", 'Orders "taken"\n{so far}', ["kind"], registry=made).labels(kind).inc(
        orders
    )
    Histogram("shop_basket_euros", "Baskets", buckets=(1, 10), registry=made).observe(orders)
    Info("shop", "What this is", registry=made).info({"branch": "x"})
    return made


@pytest.mark.slow
@pytest.mark.parametrize("openmetrics", [False, True])
@settings(deadline=None)
@given(kind=st.text(st.characters(codec="utf-8"), max_size=20))
def test_two_workers_are_one_page(openmetrics: bool, kind: str) -> None:
    """Each family once, each worker's series told apart by a label, whatever the labels hold."""
    render = openmetrics_exposition.generate_latest if openmetrics else generate_latest
    read = read_openmetrics if openmetrics else read_plain
    texts = {str(n): render(registry(n + 1, kind)).decode() for n in range(2)}
    merged = merge_texts(texts, (), label=True) + ("# EOF\n" if openmetrics else "")
    found = {each.name: each for each in read(merged)}
    orders = [each for each in found["shop_orders"].samples if each.name.endswith("_total")]
    assert {(each.labels["podready_worker"], each.value) for each in orders} == {("0", 1), ("1", 2)}
    assert {each.labels["kind"] for each in orders} == {kind}
    counts = [each for each in found["shop_basket_euros"].samples if each.name.endswith("_count")]
    assert [each.labels for each in counts] == [{"podready_worker": "0"}, {"podready_worker": "1"}]


def test_one_worker_keeps_its_labels() -> None:
    """With one worker the app's text is what it would be without us."""
    text = generate_latest(registry(3, "a")).decode()
    assert merge_texts({"0": text}, (), label=False) == text


def test_what_the_page_has_already_is_left_out() -> None:
    """prometheus_client brings process_* of its own; a page must not have a family twice."""
    text = "# HELP a A\n# TYPE a gauge\na 1\n# HELP b B\n# TYPE b gauge\nb 2\n"
    assert merge_texts({"0": text}, {"a"}, label=False) == "# HELP b B\n# TYPE b gauge\nb 2\n"


def test_a_text_that_is_too_long_is_not_cut() -> None:
    """Half a page would be no page: none is written, and the supervisor is told so."""
    written: list[bytes] = []
    sizes: list[int] = []

    def write(text: bytes) -> int:
        written.append(text)
        return len(text)

    render_within(10, False, write, sizes.append)
    assert (written, sizes) == ([], [0])
    render_within(1 << 20, False, write, sizes.append)
    assert sizes[1] == len(written[0]) > 0
