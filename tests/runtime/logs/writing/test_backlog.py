"""The backlog: in order, bounded, the least severe dropped first, at the same cost however full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.logs.writing.backlog import Backlog


def taken(backlog: Backlog) -> list[bytes]:
    """Take everything out."""
    return [backlog.pop() for _ in range(len(backlog))]


def test_no_line_is_dropped_in_vain() -> None:
    """Where less severe lines are too short to make room, they stay."""
    backlog = Backlog(limit=100)
    backlog.add(b"i" * 10, 20)
    backlog.add(b"e" * 90, 40)
    backlog.add(b"f" * 50, 40)
    assert backlog.dropped == 1
    assert taken(backlog) == [b"i" * 10, b"e" * 90]


def test_only_as_many_are_dropped_as_are_in_the_way() -> None:
    """The oldest of the lowest level."""
    backlog = Backlog(limit=10_000)
    for number in range(100):
        backlog.add(b"%03d" % number + b"x" * 97, 20)
    backlog.add(b"e" * 100, 40)
    assert backlog.dropped == 1
    assert taken(backlog)[0].startswith(b"001")


@pytest.mark.slow
def test_a_full_backlog_looks_at_no_line_to_drop_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """75,000 lines wait when an INFO line comes, an ERROR line, and a line is taken out."""
    backlog = Backlog(limit=75_000 * 100)
    for level in (20, 30, 40):
        for _ in range(25_000):
            backlog.add(b"x" * 100, level)
    looked = 0
    take = Backlog._take

    def counting(self: Backlog, level: int) -> bytes:
        nonlocal looked
        looked += 1
        return take(self, level)

    monkeypatch.setattr(Backlog, "_take", counting)
    backlog.add(b"y" * 100, 20)
    assert (looked, backlog.dropped) == (0, 1)
    backlog.add(b"y" * 100, 40)
    assert (looked, backlog.dropped) == (1, 2)
    backlog.pop()
    assert looked == 2


LINES = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([10, 20, 30, 40, 50])), max_size=60)


@pytest.mark.slow
@given(lines=LINES, takes=st.sets(st.integers(0, 60)), size=st.integers(0, 80))
def test_it_does_what_a_plain_list_would_do(
    lines: list[tuple[int, int]], takes: set[int], size: int
) -> None:
    """Compared with the rule written down without any thought of cost."""
    limit = 200
    backlog, model, dropped = Backlog(limit), list[tuple[int, bytes]](), 0
    for number, (length, level) in enumerate(lines):
        line = bytes([65 + number % 26]) * length
        backlog.add(line, level)
        room = limit - sum(len(each) for _, each in model)
        lower = sum(len(each) for found, each in model if found < level)
        if room + lower < length:
            dropped += 1
        else:
            while limit - sum(len(each) for _, each in model) < length:
                model.remove(min(model, key=lambda each: each[0]))
                dropped += 1
            model.append((level, line))
        if number in takes and model:
            out = model.pop(0)[1]
            while model and len(out) + len(model[0][1]) <= size:
                out += model.pop(0)[1]
            assert backlog.take(size) == out
        assert (len(backlog), backlog.dropped) == (len(model), dropped)
        assert backlog.size == sum(len(each) for _, each in model)
    assert taken(backlog) == [line for _, line in model]


def test_a_signal_handler_may_add_while_somebody_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line comes after the one that it has interrupted, and is not lost."""
    backlog = Backlog(limit=100)
    sort_in = Backlog._sort_in
    interrupts = iter([b"inner"])

    def interrupted(self: Backlog) -> None:
        for line in interrupts:
            self.add(line, 20)
        sort_in(self)

    monkeypatch.setattr(Backlog, "_sort_in", interrupted)
    backlog.add(b"outer", 20)
    assert taken(backlog) == [b"outer", b"inner"]
