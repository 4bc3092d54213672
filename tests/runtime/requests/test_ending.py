"""The steps that the drains of a worker and of a wrapped app have in common."""

from __future__ import annotations

import pytest

from podready.runtime.requests.ending import stream_schedule
from podready.runtime.requests.inflight import InFlightItem, ItemKind


def stream() -> InFlightItem:
    """Return an event stream that can be ended."""
    item = InFlightItem(ItemKind.STREAM, name="stream")

    async def end() -> None:
        pass

    item.end = end
    return item


@pytest.mark.parametrize(("number", "last"), [(2, 0.02), (200, 2.0), (1000, 5.0)])
def test_streams_end_at_most_a_hundred_a_second_within_the_window(number: int, last: float) -> None:
    """Each in a slot of its own, with some jitter inside it; what is no stream is left out."""
    items = [stream() for _ in range(number)]
    schedule = stream_schedule([*items, InFlightItem(ItemKind.TASK, name="job")], 5.0)
    slot = last / number
    for index, (seconds, _) in enumerate(schedule):
        assert slot * index <= seconds < slot * (index + 1)
    assert {id(item) for _, item in schedule} == {id(item) for item in items}


def test_streams_end_in_a_random_order() -> None:
    """So that it is not always the oldest clients that come back first."""
    items = [stream() for _ in range(50)]
    assert [item for _, item in stream_schedule(items, 5.0)] != items


def test_a_single_stream_ends_at_once() -> None:
    """It has nobody to be spread from; neither has none."""
    item = stream()
    assert stream_schedule([item], 5.0) == [(0.0, item)]
    assert stream_schedule([], 5.0) == []
