"""Serving: what a client and a probe of each framework's app get while nothing stops."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial

import pytest
from tests.frameworks.frameworks import Framework
from tests.frameworks.pod import PORT, Client, Pod, until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serving_pod(
    framework: Framework, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    """One ready pod for all tests of this file."""
    folder = tmp_path_factory.mktemp(f"serving-{framework.name}")
    with closing(Pod(framework.target, folder, ("--engine", engine))) as pod:
        yield pod.ready()


@pytest.fixture
def pod(serving_pod: Pod) -> Iterator[Pod]:
    """The pod; each test closes its own connections to it."""
    yield serving_pod
    serving_pod.close_clients()


def test_every_probe_answers_200(pod: Pod) -> None:
    """A ready app is started, alive and ready."""
    assert [pod.probe(path) for path in ("/startupz", "/livez", "/readyz")] == [200, 200, 200]


def test_a_request_is_served(pod: Pod) -> None:
    """GET / gives JSON, and the connection stays."""
    client = pod.client()
    first, second = client.get("/"), client.get("/")
    assert (first.status, first.body.replace(b" ", b"").strip()) == (200, b'{"hello":"world"}')
    assert second.status == 200
    assert not first.last


def test_a_body_comes_back(pod: Pod) -> None:
    """A megabyte posted is a megabyte answered."""
    body = bytes(range(256)) * 4096
    assert pod.client().post("/echo", body).body == body


def test_an_answer_may_be_streamed(pod: Pod) -> None:
    """Chunks without a length arrive whole and end properly."""
    reply = pod.get("/stream")
    assert (reply.status, reply.body) == (200, b"one\ntwo\nthree\n")


def test_an_exception_in_a_handler_is_a_500_and_no_more(pod: Pod) -> None:
    """The client gets 500, the next one is served, and the log names the fault."""
    assert pod.get("/fail").status == 500
    assert pod.get("/").status == 200
    until(lambda: "planned fault in a handler" in pod.log, "the fault in the log")
    assert pod.records


def test_an_exception_in_a_stream_cuts_the_answer(pod: Pod, framework: Framework) -> None:
    """Half an answer is never dressed up as a whole one, and the next client is served."""
    if framework.mends_streams:
        assert pod.get("/stream/fail").body == b"one\n"
    else:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            pod.get("/stream/fail")
    assert pod.get("/").status == 200
    until(lambda: "planned fault in a stream" in pod.log, "the fault in the log")


def test_an_exception_in_a_hook_stays_in_its_request(pod: Pod, framework: Framework) -> None:
    """Wherever the framework runs the app's code around a request, its failure ends there."""
    statuses = {}
    for hook in framework.hooks:
        with suppress(http.client.HTTPException, ConnectionError):  # told apart by its absence
            statuses[hook] = pod.get("/", {"x-raise": hook}).status
        assert pod.get("/").status == 200, f"the next request after a failing {hook}"
        until(partial(_is_logged, pod, f"planned fault in {hook}"), f"{hook} in the log")
    assert statuses == framework.hooks
    assert pod.records


def _is_logged(pod: Pod, text: str) -> bool:
    return text in pod.log


def test_a_stream_ends_with_its_client(pod: Pod) -> None:
    """The app learns that a client of an endless stream is gone, so nothing piles up."""
    client = pod.client().begin("/events")
    assert client.open().readline() == b"data: 0\n"
    client.close()
    pod.until_marked("events-over")


def test_a_websocket_echoes(pod: Pod, framework: Framework) -> None:
    """A message comes back; an app without WebSockets refuses the handshake."""
    url = f"ws://{pod.address}:{PORT}/ws"
    if not framework.websocket:
        with pytest.raises((InvalidStatus, ConnectionError)), connect(url):
            pass
        return
    with connect(url, compression=None) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
    pod.until_marked("socket-over")


def test_the_pod_outlives_a_client_that_says_nothing(pod: Pod) -> None:
    """A connection without a request, and one cut in mid-request, disturb nobody."""
    silent, broken = Client(pod.address, PORT), Client(pod.address, PORT)
    with closing(silent), closing(broken):
        silent.raw.connect()
        broken.raw.connect()
        broken.raw.sock.sendall(
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
        )
        broken.close()
        assert pod.get("/").status == 200
