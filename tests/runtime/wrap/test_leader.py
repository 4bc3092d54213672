"""Which processes may join the workers of a wrapped server, and what survives the leader's end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.runtime.conftest import eventually
from tests.runtime.metrics.served import count
from tests.runtime.wrap.server import ASGI_SERVERS, Server, Start

from podready import __version__
from podready.runtime.loop.loop import Loop
from podready.runtime.loop.messages import (
    Cancel,
    Handshake,
    HandshakeRefused,
    Heartbeat,
    Message,
    Unreadable,
    decode,
    encode,
)
from podready.runtime.metrics.families import ACTIVE_REQUESTS, REQUEST_DURATION
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import MetricsSegment
from podready.runtime.wrap.follower import Follower
from podready.runtime.wrap.rendezvous import SharedSegment, segment_of

pytestmark = pytest.mark.slow

GET = {"method": "GET", "scheme": "http"}


def connect(server: Server) -> socket.socket:
    """Connect to the rendezvous socket of the server's workers."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(f"\0podready/{os.getuid()}/{server.admin}")
    return sock


def handshake(version: str = __version__) -> bytes:
    """Return the first message of a worker."""
    return encode(Handshake(pid=1, version=version, leader="", changes={}))


def until_closed(sock: socket.socket) -> Message | Unreadable:
    """Read until the leader closes the connection; return its last message."""
    data = b""
    while more := sock.recv(1 << 16):
        data += more
    return decode(data.splitlines()[-1])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no JSON\n", "it sent an unreadable message: not JSON: b'no JSON'"),
        (encode(Heartbeat()), "it sent a message that is not expected from it: Heartbeat"),
        (b'{"kind":"Heartbeet"}\n', "it sent an unreadable message: unknown kind 'Heartbeet'"),
        (b"[1, 2]\n", "it sent an unreadable message: not an object: b'[1, 2]'"),
        (b'{"kind":"Handshake","pid":1}\n', "Handshake: missing field 'version'"),
        (handshake(), "it sent no descriptor"),
        (handshake("0.0.1"), f"it has podready 0.0.1, the leader {__version__}"),
    ],
    ids=["no JSON", "no handshake", "no kind", "no object", "half", "no memory", "other version"],
)
def test_a_process_that_sends_anything_else_is_refused(
    start: Start, line: bytes, reason: str
) -> None:
    """The connection is closed, the log says why, the probes go on."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    with closing(connect(server)) as sock:
        sock.sendall(line)
        refusal = until_closed(sock)
    assert isinstance(refusal, HandshakeRefused)
    assert reason in refusal.reason
    assert server.probe("/readyz")[0] == 200
    eventually(lambda: reason in server.log, f"it is logged: {server.log}")
    assert "podready's leader refuses a process" in server.log


def test_an_accepted_process_that_goes_on_with_nonsense_is_refused(start: Start) -> None:
    """The connection is closed as well; the leader itself goes on."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    memory = SharedSegment()
    with closing(connect(server)) as sock:
        socket.send_fds(sock, [handshake()], [memory.fd])
        assert b"HandshakeAccepted" in sock.recv(1000)
        sock.sendall(encode(Cancel()))
        assert isinstance(until_closed(sock), HandshakeRefused)
    memory.release()
    reason = "it sent a message that is not expected from it: Cancel"
    eventually(lambda: reason in server.log, f"it is logged: {server.log}")
    assert server.probe("/readyz")[0] == 200


@pytest.mark.parametrize("refused", [True, False])
def test_a_follower_that_is_refused_waits_and_others_do_not(refused: bool) -> None:
    """After a refusal it does not try again at once, or both logs would fill."""
    loop = Loop()
    follower = Follower(loop, loop.stop)
    ours, theirs = socket.socketpair()
    follower.join(theirs)
    if refused:
        ours.sendall(encode(HandshakeRefused("it has podready 0.0.1")))
    ours.close()
    timer = loop.call_later(0.3, loop.stop)
    begin = loop.time()
    loop.run()
    assert (loop.time() - begin >= 0.3) == refused
    assert not follower.connected
    timer.cancel()
    follower.release()
    loop.close()


def test_memory_that_is_no_segment_is_refused(start: Start) -> None:
    """A descriptor of a file that is too small."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    reading, writing = os.pipe()
    with closing(connect(server)) as sock:
        socket.send_fds(sock, [handshake()], [reading])
        assert isinstance(until_closed(sock), HandshakeRefused)
    os.close(reading)
    os.close(writing)
    assert server.probe("/livez")[0] == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_may_not_join(start: Start) -> None:
    """An abstract socket has no mode, so the leader checks the user of each connection."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    name = f"\0podready/{os.getuid()}/{server.admin}"
    said, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        try:
            sock.connect(name)
            os.write(tell, b"refused" if sock.recv(1) == b"" else b"accepted")
        except OSError:
            os.write(tell, b"refused")
        finally:
            os._exit(0)
    os.close(tell)
    assert os.read(said, 100) == b"refused"
    os.close(said)
    os.waitpid(pid, 0)


def counted(segment: MetricsSegment) -> dict[str, tuple[float, ...]]:
    """Return the values of the request histogram by labels."""
    return {
        each.labels: segment.read(each)
        for each in segment.cells()
        if each.family is REQUEST_DURATION
    }


def test_what_a_process_has_left_is_added_once() -> None:
    """Every follower brings the memory of the leader that ended; it counts once all the same."""
    theirs = SharedSegment()
    metrics = HttpMetrics(theirs)
    for seconds in (0.001, 2.0):
        count(metrics.series_of(GET), "/", 200, seconds)
    metrics.series_of(GET).active[0] += 1
    retired = SharedSegment()
    own = HttpMetrics(retired).series_of(GET)
    count(own, "/", 200, 1.0)
    own.active[0] += 2
    brought = [segment_of(os.dup(theirs.fd)) for _ in range(3)]
    assert [retired.absorb(each) for each in brought] == [True, False, False]
    (values,) = counted(retired).values()
    assert (sum(values[:-1]), values[-1]) == (3, 3.001)
    again = segment_of(os.dup(retired.fd))
    assert counted(again) == counted(retired)
    active = [each for each in again.cells() if each.family is ACTIVE_REQUESTS]
    assert [again.read(each) for each in active] == [(2.0,)]  # its own; theirs has ended
    for each in (*brought, again):
        each.close()
    retired.release()
    theirs.release()


FORKS = """
import multiprocessing, os, time
import podready
ready = multiprocessing.get_context("fork").Event()

def child():
    ready.set()
    time.sleep(600)

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    child_of_request = multiprocessing.get_context("fork").Process(target=child)
    child_of_request.start()
    ready.wait(20)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % child_of_request.pid})

wsgi = None
"""


def test_a_child_of_the_app_does_not_keep_the_port(start: Start) -> None:
    """A worker forks a helper and is killed: the port is free although the helper lives on."""
    server = start(ASGI_SERVERS["uvicorn without lifespan"], FORKS)
    eventually(lambda: server.probe("/readyz")[0] == 200, f"ready: {server.log}")
    answer = server.get("/")
    assert answer is not None
    helper = int(answer[2])
    server.process.kill()
    server.process.wait(20)
    try:
        os.kill(helper, 0)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no listener
            assert eventually(_free(sock, server.admin), "the port is free")
    finally:
        os.kill(helper, 9)


def _free(sock: socket.socket, port: int) -> Callable[[], bool]:
    def free() -> bool:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

    return free
