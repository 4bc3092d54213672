"""The plan's way through the pipe."""

from __future__ import annotations

import pytest

from podready.rehearse.load.plan import Connection, DialerTarget, LoadPlan, RequestKind, TcpTarget
from podready.rehearse.load.wire import decode_plan, encode_plan

KINDS = (RequestKind("get"), RequestKind("post", "POST", "/x", 0.1, '{"a": "ü\\n"}', 201, 2.5))


@pytest.mark.parametrize(
    "target",
    [TcpTarget("localhost", 80), DialerTarget("/run/x.sock", "default/hello", 80, 4)],
)
def test_a_plan_arrives_as_it_was_sent(target: TcpTarget | DialerTarget) -> None:
    """Every field, both targets, one line whatever the bodies hold."""
    plan = LoadPlan(
        target=target,
        rate=300.0,
        requests=KINDS,
        connections=((Connection.NEW, 1.0),),
        host="hello.test",
        headers=(("x-a", "b"),),
        connection_cap=7,
        max_seconds=1.5,
        seed=9,
        samples="/tmp/s",
        streams=("/events", "ws:/echo"),
        one_way_delay=0.01,
    )
    line = encode_plan(plan)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_plan(line) == plan
