"""The open-loop generator: sends each request when it is due, whatever became of the others.

It never retries, never skips and never waits: a request that cannot be sent is a sample with the
outcome CAP. Latency is counted from the intended time, so a stall of the app (or of this
process) is seen by every request that fell into it.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podready.clock import SYSTEM_CLOCK, Clock
from podready.contract import POD_HEADER
from podready.rehearse.load.clients import Clients
from podready.rehearse.load.connection import Callbacks, HttpConnection, LoadExchange, refusal
from podready.rehearse.load.connector import Connector, NoRouteError, Route, connect
from podready.rehearse.load.plan import LoadPlan, Outcome, RequestKind, TcpTarget
from podready.rehearse.load.schedule import Arrival, arrivals
from podready.rehearse.load.summary import LATE_SECONDS, LoadSummary, percentile

if TYPE_CHECKING:
    from podready.rehearse.load.samples import SampleFile

TICK = 0.001
"""Shortest wait between two looks at the schedule, in seconds: a timer of uvloop has 1 ms."""

SWEEP = 0.05
"""Seconds between two looks for requests that have used up their timeout.

One timer for all: a timer a request would cost as much as its answer.
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the generator reports while it runs; the last second's latency in milliseconds."""

    sent: int
    dropped: int
    in_flight: int
    connections: int
    p50_ms: float
    p99_ms: float
    lag_p99_ms: float
    outcomes: dict[str, int]


class Generator:
    """Runs one plan against one connector and logs every request to one file."""

    def __init__(
        self, plan: LoadPlan, connector: Connector, log: SampleFile, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._plan, self._connector, self._log = plan, connector, log
        self._monotonic = clock.monotonic
        self._clients = Clients(connector.nodes, plan.seed)
        self._arrivals = arrivals(plan, connector.nodes)
        self._requests = {id(kind): request_bytes(plan, kind) for kind in plan.requests}
        self._callbacks = Callbacks(self._monotonic, self._finish, plan.one_way_delay)
        self._connections: set[HttpConnection] = set()
        self._in_flight: set[LoadExchange] = set()
        self._outcomes: Counter[str] = Counter()
        self._lags = array("d")
        self._latencies: list[float] = []
        self._planned = self._numbers = self._peak = self._lags_reported = 0
        self._next: Arrival | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadlines: dict[float, deque[tuple[float, LoadExchange]]] = {
            kind.timeout: deque() for kind in plan.requests
        }
        self._sweeper: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._quiet = asyncio.Event()
        self._cpu = 0.0
        self._broken = ""
        self.started = self._stopped = 0.0

    # -- the life of a load

    def start(self) -> None:
        """Begin: the first request is due now."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._fault)
        self._cpu = cpu_seconds()
        self.started = self._monotonic()
        self._next = next(self._arrivals, None)
        self._tick()
        self._sweep()

    async def planned_out(self) -> None:
        """Return when the plan's own `max_seconds` have passed."""
        await self._over.wait()

    async def stop(self, timeout: float | None = None) -> None:
        """Send what is due, plan nothing more, and wait for what is under way.

        `timeout` is in seconds; by default each request may use up its own timeout. What is
        not answered then gets the outcome UNFINISHED.
        """
        self._tick()
        self._next = None
        self._stopped = self._monotonic()
        if self._timer is not None:
            self._timer.cancel()
        await self._settle(timeout)
        for exchange in list(self._in_flight):
            self._cut(exchange, Outcome.UNFINISHED, "timed out waiting")
        for connection in list(self._connections):
            connection.close()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _settle(self, timeout: float | None) -> None:
        if timeout is None:
            timeout = max(kind.timeout for kind in self._plan.requests) + 1.0
        if self._in_flight:
            self._quiet.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._quiet.wait()
            except TimeoutError:
                pass  # the caller cuts what is left

    # -- the schedule

    def _tick(self) -> None:
        now = self._monotonic()
        due = self._next
        while due is not None and self.started + due.due <= now:
            self._launch(due, now)
            due = next(self._arrivals, None)
        self._next = due
        if due is None:
            self._over.set()
        else:
            wait = self.started + due.due - self._monotonic()
            self._timer = self._loop.call_later(max(TICK, wait), self._tick)

    def _launch(self, arrival: Arrival, now: float) -> None:
        intended = self.started + arrival.due
        self._planned += 1
        slot = self._clients.slot(arrival)
        exchange = LoadExchange(arrival, intended, self._requests[id(arrival.kind)], slot)
        self._in_flight.add(exchange)
        connection = slot.take()
        if connection is None and self._numbers_open() >= self._plan.connection_cap:
            self._finish(exchange, Outcome.CAP, "connection cap")
            return
        if connection is not None:
            self._set_out(exchange, now)
            connection.send(exchange)
        else:
            exchange.opening = self._loop.create_task(self._open(exchange))

    def _set_out(self, exchange: LoadExchange, now: float) -> None:
        """Count time for the app from here on; the time before it was the generator's."""
        self._lags.append(now - exchange.intended)
        timeout = exchange.arrival.kind.timeout
        self._deadlines[timeout].append((now + timeout, exchange))

    # -- connections

    def _numbers_open(self) -> int:
        return len(self._connections) + sum(1 for e in self._in_flight if e.opening is not None)

    async def _open(self, exchange: LoadExchange) -> None:
        try:
            route = await self._connector.route(exchange.slot.node)
            exchange.pod = route.pod
            self._set_out(exchange, self._monotonic())
            connection = await self._connect(route)
        except NoRouteError as error:
            exchange.pod = error.pod
            self._finish(exchange, Outcome.REFUSED, error.reason)
        except OSError as error:
            self._finish(exchange, *refusal(error))
        else:
            exchange.opening = None
            connection.send(exchange)

    async def _connect(self, route: Route) -> HttpConnection:
        self._numbers += 1
        connection = TrackedConnection(self._numbers, route, self._callbacks, self._connections)
        try:
            await connect(route)
            await self._loop.create_connection(lambda: connection, sock=route.socket)
        except BaseException:  # refused, or cancelled by the timeout: close the socket
            connection.abort()
            route.socket.close()
            raise
        self._peak = max(self._peak, len(self._connections))
        return connection

    # -- outcomes

    def _sweep(self) -> None:
        """Cut what has used up its time; with the same timeout, first sent is first cut."""
        now = self._monotonic()
        for timeout, waiting in self._deadlines.items():
            while waiting and waiting[0][0] <= now:
                _, exchange = waiting.popleft()
                if exchange in self._in_flight:
                    self._cut(exchange, Outcome.TIMEOUT, f"no answer in {timeout:g} s")
        self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    def _cut(self, exchange: LoadExchange, outcome: Outcome, error: str) -> None:
        if exchange.opening is not None:
            exchange.opening.cancel()
        if exchange.connection is not None:
            exchange.connection.abort()
        self._finish(exchange, outcome, error)

    def _finish(self, exchange: LoadExchange, outcome: Outcome, error: str) -> None:
        if exchange not in self._in_flight:
            return
        done = self._monotonic()
        exchange.opening = None
        connection, exchange.connection = exchange.connection, None
        alive = connection is not None and connection in self._connections
        exchange.slot.give_back(connection if alive else None)
        self._in_flight.discard(exchange)
        self._outcomes[outcome.value] += 1
        if outcome is Outcome.OK:
            self._latencies.append(done - exchange.intended)
        self._log.write(exchange.row(outcome, error, done))
        if not self._in_flight:
            self._quiet.set()

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note an error of the generator's own: nothing it says afterwards can be trusted."""
        if not self._broken:
            self._broken = f"the load generator failed: {context.get('exception', context)!r}"
            loop.default_exception_handler(context)

    # -- progress and summary

    def progress(self) -> Progress:
        """Return the counts so far, and the latency and lag since the last call."""
        latencies, self._latencies = sorted(self._latencies), []
        lags = sorted(self._lags[self._lags_reported :])
        self._lags_reported = len(self._lags)
        done = sum(self._outcomes.values())
        return Progress(
            sent=self._planned,
            dropped=done - self._outcomes[Outcome.OK.value],
            in_flight=len(self._in_flight),
            connections=len(self._connections),
            p50_ms=1000 * percentile(latencies, 0.5),
            p99_ms=1000 * percentile(latencies, 0.99),
            lag_p99_ms=1000 * percentile(lags, 0.99),
            outcomes=dict(self._outcomes),
        )

    def summary(self) -> LoadSummary:
        """Return the account of the whole load, once it has stopped."""
        lags = sorted(self._lags)
        cpu = cpu_seconds() - self._cpu
        wall = self._monotonic() - self.started
        late = sum(1 for lag in lags if lag > LATE_SECONDS)
        return LoadSummary(
            planned=self._planned,
            outcomes=dict(self._outcomes),
            started=self.started,
            stopped=self._stopped,
            lag_p50_ms=1000 * percentile(lags, 0.5),
            lag_p99_ms=1000 * percentile(lags, 0.99),
            lag_max_ms=1000 * percentile(lags, 1.0),
            late_share=late / len(lags) if lags else 0.0,
            cpu_percent=100 * cpu / wall if wall else 0.0,
            cpu_us_per_request=1e6 * cpu / self._planned if self._planned else 0.0,
            connections=self._numbers,
            peak_connections=self._peak,
            loop=type(self._loop).__module__.partition(".")[0],
            error=self._broken or self._connector.lost,
        )


class TrackedConnection(HttpConnection):
    """A connection that is in the set of open ones while it is open."""

    def __init__(
        self, number: int, route: Route, callbacks: Callbacks, open_ones: set[HttpConnection]
    ) -> None:
        super().__init__(number, route, callbacks)
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in."""
        self._open_ones.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out, before its exchange is judged."""
        self._open_ones.discard(self)
        super().connection_lost(exc)


def request_bytes(plan: LoadPlan, kind: RequestKind) -> bytes:
    """Return the request of a kind as it goes over the wire."""
    body = kind.body.encode()
    headers = {"Host": plan.host, "User-Agent": "podready-rehearse", "Accept": "*/*"}
    headers.update(dict(plan.headers))
    if isinstance(plan.target, TcpTarget):  # only the answer can name the pod
        headers.setdefault(POD_HEADER, "1")
    if body or kind.method in {"POST", "PUT", "PATCH"}:
        headers.setdefault("Content-Type", "application/json")
        headers["Content-Length"] = str(len(body))
    lines = [f"{kind.method} {kind.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def cpu_seconds() -> float:
    """Return the CPU time of this process so far, user and system."""
    return time.process_time()
