"""The generator against real sockets: every outcome, and every request accounted for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from tests.rehearse.load.conftest import HELLO, Peer, StartServer

from podready.rehearse.load.generator import Generator, request_bytes
from podready.rehearse.load.plan import (
    Connection,
    DialerTarget,
    LoadPlan,
    Outcome,
    RequestKind,
    Sample,
)
from podready.rehearse.load.summary import LoadSummary

MakePlan = Callable[..., LoadPlan]
Play = Callable[..., Awaitable[tuple[list[Sample], LoadSummary]]]
NEW = ((Connection.NEW, 1.0),)
POOLED = ((Connection.POOLED, 1.0),)


def first_request_then(act: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """Return a behaviour that reads one request and acts."""

    def behave(peer: Peer) -> None:
        if peer.read():
            act(peer)

    return behave


def answer_with(data: bytes) -> Callable[[Peer], None]:
    """Return a behaviour that answers one request with these bytes and closes."""
    return first_request_then(lambda peer: peer.send(data))


async def test_every_planned_request_is_answered_and_accounted_for(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """A healthy app: each request once, in order, at its time, with all its times in order."""
    server = start_server()
    mix = ((Connection.PINNED, 0.4), (Connection.POOLED, 0.4), (Connection.NEW, 0.2))
    samples, summary = await run_plan(plan(server, count=100, connections=mix))
    assert [sample.index for sample in samples] == list(range(100))
    assert summary.planned == 100
    assert summary.outcomes == {"ok": 100}
    assert sum(peer.requests for peer in server.peers) == 100
    assert Counter(s.connection for s in samples) == {
        Connection.PINNED: 40,
        Connection.POOLED: 40,
        Connection.NEW: 20,
    }
    for before, after in pairwise(samples):
        assert after.intended - before.intended == pytest.approx(1 / 200)
    for s in samples:
        assert s.intended <= s.sent <= s.first_byte <= s.done
        assert (s.status, s.bytes, s.error, s.method) == (200, len(HELLO), "", "GET")


async def test_new_connections_are_used_once_and_kept_ones_again(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """NEW opens one connection a request; POOLED needs no more than were busy at once."""
    server = start_server()
    samples, summary = await run_plan(plan(server, count=20, connections=NEW))
    assert len({s.conn_id for s in samples}) == len(server.peers) == 20
    assert not any(s.reused for s in samples)
    samples, summary = await run_plan(plan(server, count=20, connections=POOLED))
    assert summary.connections == len({s.conn_id for s in samples}) < 20
    assert sum(s.reused for s in samples) == 20 - summary.connections


async def test_refused_has_its_errno(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Nobody listens: refused each time, at once, and each one is lost (no retry)."""
    server = start_server()
    server.close_listener()
    samples, summary = await run_plan(plan(server, count=10))
    assert {(s.outcome, s.error, s.status) for s in samples} == {
        (Outcome.REFUSED, "ECONNREFUSED", 0)
    }
    assert summary.dropped == 10


async def test_a_reset_has_its_errno(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """RST after the request: the connection stood, so it is no refusal."""
    server = start_server(first_request_then(Peer.reset))
    samples, _ = await run_plan(plan(server, count=5))
    assert {(s.outcome, s.error, s.bytes) for s in samples} == {(Outcome.RESET, "ECONNRESET", 0)}


@pytest.mark.parametrize(
    ("sent", "outcome", "error"),
    [
        (b"", Outcome.EOF, "closed before the answer"),
        (HELLO[:-2], Outcome.EOF, "closed within the answer"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Outcome.EOF,
            "closed within the answer",
        ),
        (b"HTTP/1.1 200 O", Outcome.EOF, "closed within the answer"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Outcome.OK, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, Outcome.OK, ""),
        (HELLO + b"more than promised", Outcome.OK, ""),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Outcome.STATUS, "503"),
        (b"220 mail.example.org ESMTP\r\n", Outcome.INVALID, "*"),
    ],
)
async def test_each_way_an_answer_can_end(
    start_server: StartServer,
    plan: MakePlan,
    run_plan: Play,
    sent: bytes,
    outcome: Outcome,
    error: str,
) -> None:
    """The bytes before the end decide: whole, cut, wrong status, no HTTP at all."""
    server = start_server(answer_with(sent))
    samples, _ = await run_plan(plan(server, count=3, connections=NEW))
    assert {s.outcome for s in samples} == {outcome}
    assert error in ("*", samples[0].error)
    assert samples[0].bytes == len(sent)


async def test_a_late_answer_is_a_timeout_and_its_connection_is_given_up(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Each kind has its own timeout; the server sees the client go."""
    seen = []
    server = start_server(first_request_then(lambda peer: seen.append(peer.read())))
    kinds = (RequestKind("hasty", timeout=0.2),)
    samples, _ = await run_plan(plan(server, count=3, requests=kinds))
    assert {(s.outcome, s.error) for s in samples} == {(Outcome.TIMEOUT, "no answer in 0.2 s")}
    assert all(s.done - s.intended >= 0.2 for s in samples)
    server.close()
    assert seen == [b""] * 3


async def test_an_expected_status_is_no_loss(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """A kind may expect another status than 200; then that one is right and 200 is wrong."""
    server = start_server(answer_with(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
    samples, _ = await run_plan(
        plan(server, count=3, connections=NEW, requests=(RequestKind("gone", expect=404),))
    )
    assert {(s.outcome, s.status) for s in samples} == {(Outcome.OK, 404)}


async def test_connection_close_is_honoured_politely(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """After `Connection: close` the client closes and never writes there again: no loss."""
    after: list[bytes] = []

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        after.append(peer.read())  # the server waits for the client to go first

    server = start_server(behave)
    samples, _ = await run_plan(plan(server, count=40, connections=POOLED))
    server.close()
    assert {s.outcome for s in samples} == {Outcome.OK}
    assert not any(s.reused for s in samples)
    assert after == [b""] * 40


async def test_an_idle_connection_that_the_server_closes_costs_nothing(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Closed while idle: retired, reopened for the next request, nothing lost."""

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HELLO)

    server = start_server(behave)
    slow = plan(server, rate=2.5, max_seconds=1.2, connections=POOLED)  # 400 ms to close in
    samples, _ = await run_plan(slow)
    assert [(s.outcome, s.reused) for s in samples] == [(Outcome.OK, False)] * 3


async def test_a_request_that_meets_the_close_of_its_connection_is_lost(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """The keep-alive race: written to a kept connection that the server closes instead."""

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HELLO)
        peer.read()  # the second request is read, and never answered

    server = start_server(behave)
    samples, _ = await run_plan(plan(server, count=80))
    lost = [s for s in samples if s.outcome is not Outcome.OK]
    assert lost
    assert {(s.outcome, s.reused, s.bytes, s.error) for s in lost} == {
        (Outcome.EOF, True, 0, "closed before the answer")
    }
    assert all(s.conn_age > 0 for s in lost)


@pytest.mark.slow
async def test_travel_time_opens_the_keep_alive_race(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """With a one-way delay a close that crosses the request loses it, as on a real network."""

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HELLO)
        time.sleep(0.1)  # closed 0.1 s after the answer, while the next request is on its way

    server = start_server(behave)
    far = plan(server, rate=20.0, max_seconds=1.0, one_way_delay=0.2, connections=POOLED)
    samples, _ = await run_plan(far)
    lost = [s for s in samples if s.outcome is not Outcome.OK]
    assert lost
    assert all(s.reused and s.outcome in (Outcome.EOF, Outcome.RESET) for s in lost)


async def test_posts_carry_their_body(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Method, path, headers and body arrive as planned."""
    seen: list[bytes] = []

    def behave(peer: Peer) -> None:
        while request := peer.read():
            seen.append(request)
            peer.send(HELLO)

    server = start_server(behave)
    kinds = (RequestKind("write", "POST", "/items?x=1", body='{"n": "ü"}'),)
    samples, _ = await run_plan(
        plan(server, count=2, requests=kinds, host="hello.test", headers=(("X-Test", "1"),))
    )
    assert {(s.outcome, s.method, s.kind) for s in samples} == {(Outcome.OK, "POST", "write")}
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /items?x=1 HTTP/1.1\r\nHost: hello.test\r\n")
    assert b"\r\nX-Test: 1" in head
    assert b"\r\nx-podready-pod: 1" in head
    assert body == '{"n": "ü"}'.encode()


def test_the_pod_is_asked_for_only_where_nothing_else_knows_it(plan: MakePlan) -> None:
    """Through the dialer the pod is known, so its header is left out."""
    near = plan(target=DialerTarget("/x", "default/hello", 80, 4))
    assert b"x-podready-pod" not in request_bytes(near, near.requests[0])


async def test_the_answer_names_its_pod(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """On a real cluster podready's runtime says which pod answered."""
    named = HELLO.replace(b"\r\n\r\n", b"\r\nX-Podready-Pod: default/hello-1\r\n\r\n")
    server = start_server(answer_with(named))
    samples, _ = await run_plan(plan(server, count=2, connections=NEW))
    assert {s.pod for s in samples} == {"default/hello-1"}


@pytest.mark.slow
async def test_a_slow_app_delays_nobody_else(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Open loop: while one request hangs, the others are sent at their times."""

    def behave(peer: Peer) -> None:
        peer.read()
        if peer.number == 0:
            peer.read()  # the first connection never answers
        peer.send(HELLO)

    server = start_server(behave)
    kinds = (RequestKind("hello", timeout=2.0),)
    samples, _ = await run_plan(plan(server, count=50, connections=NEW, requests=kinds))
    assert Counter(s.outcome for s in samples) == {Outcome.OK: 49, Outcome.TIMEOUT: 1}


@pytest.mark.slow
async def test_the_connection_cap_is_a_loss_of_the_generators_own(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """A request that may not open a connection is recorded as such and casts doubt on the run."""
    server = start_server(lambda peer: void(peer.read(), peer.read()))
    kinds = (RequestKind("hello", timeout=1.0),)
    samples, summary = await run_plan(
        plan(server, count=10, connections=NEW, requests=kinds, connection_cap=4)
    )
    assert Counter(s.outcome for s in samples) == {Outcome.TIMEOUT: 4, Outcome.CAP: 6}
    assert "6 requests were not sent" in summary.doubt()


def void(*_: object) -> None:
    """Do nothing with what was read."""


async def test_stop_waits_for_what_is_under_way(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """Requests sent before the stop get their answers; none is planned after it."""
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    generators: list[Generator] = []

    def behave(peer: Peer) -> None:
        peer.read()
        loop.call_soon_threadsafe(reached.set)
        deadline = time.monotonic() + 20
        while not (generators and generators[0]._stopped) and time.monotonic() < deadline:
            time.sleep(0.01)
        peer.send(HELLO)

    server = start_server(behave)

    async def first_arrived(generator: Generator) -> None:
        generators.append(generator)
        await reached.wait()

    endless = plan(server, connections=NEW, max_seconds=600.0)
    samples, summary = await run_plan(endless, first_arrived)
    assert 0 < len(samples) < 1000
    assert [s.index for s in samples] == list(range(summary.planned))
    assert {s.outcome for s in samples} == {Outcome.OK}
    assert all(s.intended <= summary.stopped for s in samples)


async def test_a_timeout_of_the_stop_is_recorded(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """With little timeout, requests under way are written down as unfinished: all accounted."""
    server = start_server(lambda peer: void(peer.read(), peer.read()))
    samples, summary = await run_plan(plan(server, count=5, connections=NEW), timeout=0.1)
    assert [s.index for s in samples] == [0, 1, 2, 3, 4]
    assert {s.outcome for s in samples} == {Outcome.UNFINISHED}
    assert "still under way" in summary.doubt()


async def test_the_generator_knows_its_own_lag(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """A stall of this process is seen as lag, and the requests it delayed are still sent."""
    server = start_server()

    async def stall(generator: Generator) -> None:
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251 - a stalled event loop is what is tested
        await generator.planned_out()

    samples, summary = await run_plan(plan(server, count=100), stall)
    assert len(samples) == summary.outcomes["ok"] == 100
    assert summary.lag_max_ms >= 150
    assert summary.late_share >= 0.2
    assert "late" in summary.doubt()
    late = max(samples, key=lambda s: s.sent - s.intended)
    assert late.done - late.intended >= 0.15  # latency counts from the intended time


async def test_progress_tells_what_is_happening(
    start_server: StartServer, plan: MakePlan, run_plan: Play
) -> None:
    """The live view's numbers: sent so far, in flight, the latency since the last look."""
    server = start_server()
    seen = []

    async def look(generator: Generator) -> None:
        await generator.planned_out()
        seen.append(generator.progress())

    await run_plan(plan(server, count=40), look)
    (progress,) = seen
    assert progress.sent == 40
    assert progress.dropped == 0
    assert progress.in_flight + sum(progress.outcomes.values()) == 40
    assert 0 < progress.p50_ms <= progress.p99_ms
