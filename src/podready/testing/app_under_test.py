"""An app that runs for a test: requests, probes, the drain, and the verdict."""

from __future__ import annotations

import http.client
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from podready.contract import LIVEZ, Phase
from podready.testing.losses import ShutdownRecord, describe_losses
from podready.testing.request_record import OutgoingRequest, PendingRequest, RequestRecord, Response
from podready.testing.sockets import HOST, has_read

_TICK: Final = 0.01
_NOTICE_SECONDS: Final = 5.0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait at most `seconds` for `condition`; return whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_TICK)
    return True


class AppUnderTest(ABC):
    """An app that serves on a loopback port until its drain, or the end of the test.

    Every request that is sent through it is counted: `assert_no_request_lost` judges them all.
    Other HTTP clients can use `url`, but only `cut` work of theirs is seen.
    """

    port: int
    """The app's port on 127.0.0.1."""

    admin_port: int
    """The port of the probes; 0 where nothing answers probes."""

    def __init__(self, drain_delay: float, grace_period: float) -> None:
        self.drain_delay = drain_delay
        self.grace_period = grace_period
        self._records: list[RequestRecord] = []
        self._pending: list[PendingRequest] = []
        self._clients: list[threading.Thread] = []
        self._quit = threading.Event()
        self._drain_begun: float | None = None

    @property
    def url(self) -> str:
        """Where the app answers: http://127.0.0.1:PORT."""
        return f"http://{HOST}:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where the probes answer: http://127.0.0.1:PORT."""
        return f"http://{HOST}:{self.admin_port}"

    # Requests

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Send GET and return the answer; AssertionError when there is none."""
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send POST and return the answer; AssertionError when there is none."""
        return self.request("POST", path, body=body, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        expect: int | None = None,
    ) -> Response:
        """Send a request on a new connection and return the answer, whatever its status.

        `timeout` is in seconds. A status of 500 or above counts as lost; with `expect`, any other
        status than that. Raises AssertionError when there is no complete answer.
        """
        outgoing = OutgoingRequest(method, path, body, headers or {}, timeout, expect)
        return self._begin(outgoing).response()

    def start(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        expect: int | None = None,
    ) -> PendingRequest:
        """Send a request and return as soon as the server has read it: it is in flight then."""
        pending = self._begin(OutgoingRequest(method, path, body, headers or {}, timeout, expect))
        pending.record.sent.wait(timeout)
        client_port = pending.record.client_port
        wait_until(lambda: pending.done or has_read(self.port, client_port), timeout)
        return pending

    def _begin(self, outgoing: OutgoingRequest) -> PendingRequest:
        pending = PendingRequest(outgoing, (HOST, self.port))
        self._records.append(pending.record)
        self._pending.append(pending)
        return pending

    def keep_requesting(self, path: str, *, clients: int = 2, pause: float = 0.02) -> None:
        """Send requests in the background, as a proxy does: until the drain delay is over.

        Every other client keeps its connection alive, the others open one for each request.
        Each client waits `pause` seconds after an answer. Returns when each has had an answer, or
        has failed.
        """
        before = len(self._records)
        for number in range(clients):
            outgoing = OutgoingRequest("GET", path)
            target, arguments = self._be_client, (outgoing, number % 2 == 0, pause)
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            thread.name = f"client {number} of {path}"
            self._clients.append(thread)
            thread.start()

        def answered() -> bool:
            ended = sum(each.ended is not None for each in self._records[before:])
            return ended >= clients

        wait_until(answered, OutgoingRequest("GET", path).timeout)

    def _be_client(self, outgoing: OutgoingRequest, keep_alive: bool, pause: float) -> None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=outgoing.timeout)
        with closing(connection):
            while not self._is_routed_elsewhere():
                record = RequestRecord(outgoing)
                self._records.append(record)
                record.run(connection)
                if not keep_alive:
                    connection.close()
                self._quit.wait(pause)

    def _is_routed_elsewhere(self) -> bool:
        """Whether every proxy knows by now that this app is leaving."""
        begun = self._drain_begun
        return self._quit.is_set() or (
            begun is not None and time.monotonic() >= begun + self.drain_delay
        )

    # Probes

    def probe(self, path: str = "/readyz") -> Response:
        """Ask the admin port as the kubelet does: `/readyz`, `/livez`, `/startupz`, `/metrics`.

        Raises ConnectionError when nothing answers there.
        """
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=10.0)
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, headers, answer.read())

    # The stop

    def begin_drain(self) -> None:
        """Ask the app to stop, as the kubelet does with SIGTERM, and return once it knows.

        An app without probes cannot say so: there the signal has been sent, no more.
        """
        if self._drain_begun is None:
            self._drain_begun = time.monotonic()
            self._terminate()
            wait_until(self._knows_of_drain, min(self.grace_period, _NOTICE_SECONDS))

    def _knows_of_drain(self) -> bool:
        if not self.admin_port:
            return True
        try:
            return bool(self.probe(LIVEZ).json()["phase"] != Phase.READY)
        except (OSError, http.client.HTTPException):  # it has ended already
            return True

    def drain(self) -> int:
        """Ask the app to stop, wait for its end, and return the exit code.

        At the end of the grace period it is killed, as the kubelet does; the code is -9 then.
        """
        self.begin_drain()
        return self.wait_stopped()

    @abstractmethod
    def _terminate(self) -> None:
        """Send SIGTERM, or do what it does."""

    @abstractmethod
    def wait_stopped(self) -> int:
        """Wait for the end of a drain, at most the grace period, and return the exit code."""

    @abstractmethod
    def _stop_of(self, begun: float) -> ShutdownRecord:
        """Return what is known of the stop, after it."""

    @abstractmethod
    def _last_words(self) -> str:
        """Return what the app has said that may explain a loss, or ""."""

    # The verdict

    def assert_no_request_lost(self) -> None:
        """Raise AssertionError unless every request got its answer and the app ended in time.

        Waits for the end of the drain, which must have begun. Lost are: no or half an answer,
        status 500 and above (or not the one expected), a connection refused before the end of the
        drain delay, work cut at the deadline. A test in which no request was in flight at SIGTERM
        or sent after it proves nothing, and fails too.
        """
        __tracebackhide__ = True
        if self._drain_begun is None:
            raise AssertionError("the app was not asked to stop: call drain() first")
        self.wait_stopped()
        for pending in self._pending:
            pending.join(pending.record.outgoing.timeout)
        for client in self._clients:
            client.join(OutgoingRequest("GET", "/").timeout)
        begun = self._drain_begun
        report = describe_losses(self._records, self._stop_of(begun))
        if report:
            words = self._last_words()
            raise AssertionError(f"{report}\nthe app's log says:\n{words}" if words else report)
        if all((each.ended or begun) < begun for each in self._records):
            raise AssertionError(
                "no request was in flight at SIGTERM or sent after it, so nothing is proved: "
                "use start() or keep_requesting() before drain()"
            )

    def _end_clients(self) -> None:
        """Leave no thread and no connection behind."""
        self._quit.set()
        for pending in self._pending:
            pending.close()
        for client in self._clients:
            client.join(OutgoingRequest("GET", "/").timeout)
