"""The admin server's parser and its answers."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.contract import Phase
from podready.runtime.admin.probes import Answer, PodStatus, answer_probe
from podready.runtime.admin.server import (
    AdminServer,
    BadRequestError,
    Request,
    parse_request,
    render,
)
from podready.runtime.loop.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_parses_what_the_kubelet_sends() -> None:
    """A request line with a query and headers."""
    head = b"GET /readyz?verbose HTTP/1.1\r\nHost: 10.1.2.3:9000\r\nUser-Agent: kube-probe/1.30"
    request = parse_request(head)
    assert (request.method, request.path) == ("GET", "/readyz")
    assert "verbose" in request.query
    assert request.headers["user-agent"] == "kube-probe/1.30"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/2.0", 400),
        (b"GET /", 400),
        (b"GET http://x/ HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"POST / HTTP/1.1", 405),
        (b"", 400),
    ],
)
def test_refuses(head: bytes, status: int) -> None:
    """Anything that is not a plain GET or HEAD is refused with the right status."""
    with pytest.raises(BadRequestError) as refusal:
        parse_request(head)
    assert refusal.value.status == status


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(head: bytes) -> None:
    """Whatever arrives is a request or a BadRequestError."""
    try:
        request = parse_request(head)
    except BadRequestError:
        return
    assert request.path.startswith("/")


def test_head_has_no_body() -> None:
    """HEAD keeps the length and leaves the body out."""
    answer = render(Answer(200, b"{}"), head_only=True)
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def pod_status(**changes: Any) -> PodStatus:
    """Return the status of a pod that is ready and well, with changes."""
    ready = PodStatus(
        phase=Phase.READY, started=True, startup_phase="ready", elapsed=1.0, limit=120.0
    )
    return replace(ready, **changes)


@pytest.mark.parametrize(
    ("changes", "livez", "readyz", "startupz"),
    [
        ({}, 200, 200, 200),
        ({"phase": Phase.STARTING, "started": False}, 200, 503, 503),
        ({"phase": Phase.DRAINING}, 200, 503, 200),
        ({"phase": Phase.CLOSING}, 200, 503, 200),
        ({"serving": False}, 200, 503, 200),
        ({"unready": ("database",)}, 200, 503, 200),
        ({"stalled": 31.0}, 503, 200, 200),
        ({"unhealthy": "lost"}, 503, 200, 200),
    ],
)
def test_probe_answers(changes: dict[str, object], livez: int, readyz: int, startupz: int) -> None:
    """Each state of the pod, and what the three probes say about it."""
    for path, status in (("/livez", livez), ("/readyz", readyz), ("/startupz", startupz)):
        answer = answer_probe(path, pod_status(**changes), verbose=False)
        assert answer is not None
        assert answer.status == status
        assert json.loads(answer.body)["status"] == ("ok" if status == 200 else "failing")
        assert len(answer.body) < 1024


def test_reasons_stay_inside() -> None:
    """Callers from outside see names of failing checks, not the app's words."""
    answer = answer_probe("/livez", pod_status(unhealthy="password wrong"), verbose=False)
    assert answer is not None
    assert b"password" not in answer.body


@pytest.fixture
def server() -> Iterator[tuple[Loop, AdminServer, int]]:
    """An admin server on a loop that the test turns itself."""
    loop = Loop()
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    admin = AdminServer(loop, sock, echo_path)
    yield loop, admin, sock.getsockname()[1]
    admin.close()
    loop.close()


def echo_path(request: Request) -> Answer:
    """Answer with the path that was asked for."""
    return Answer(200, request.path.encode())


def turn(loop: Loop, client: socket.socket) -> bytes:
    """Turn the loop until the client was answered; return the answer."""
    answer = b""
    client.setblocking(False)
    stop = loop.call_later(10, loop.stop)

    def read() -> None:
        nonlocal answer
        data = client.recv(65536)
        answer += data
        if not data:
            loop.unwatch(client)
            loop.stop()

    loop.watch(client, read=read, write=None)
    loop.run()
    stop.cancel()
    return answer


def test_a_request_in_pieces(server: tuple[Loop, AdminServer, int]) -> None:
    """A head that comes byte by byte is answered once it is whole."""
    loop, _, port = server
    with socket.create_connection(("127.0.0.1", port)) as client:
        pieces = [b"GE", b"T /a HTTP/1.1\r\nHo", b"st: x\r\n\r", b"\n"]
        for index, piece in enumerate(pieces):
            loop.call_later(0.01 * index, partial(client.sendall, piece))
        assert turn(loop, client).endswith(b"\r\n\r\n/a")


def test_a_head_that_never_ends(server: tuple[Loop, AdminServer, int]) -> None:
    """Eight kilobytes without an empty line are refused."""
    loop, _, port = server
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 9000)
        assert turn(loop, client).startswith(b"HTTP/1.1 431 ")


def test_timers_and_cancel() -> None:
    """Timers fire in the order of their moments, a cancelled one never."""
    loop = Loop()
    fired: list[str] = []
    loop.call_later(0.02, loop.stop)
    loop.call_later(0.01, lambda: fired.append("second"))
    loop.call_later(0.0, lambda: fired.append("first"))
    loop.call_later(0.0, lambda: fired.append("never")).cancel()
    loop.run()
    loop.close()
    assert fired == ["first", "second"]
