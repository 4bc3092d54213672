"""Who may join the workers of a foreign server, and what is handed on when the leader ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.runtime.conftest import eventually
from tests.runtime.wrap.server import ASGI_SERVERS, Server, Start

from podready import __version__
from podready.runtime.metrics.families import ACTIVE_REQUESTS, REQUEST_DURATION
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import Shelf
from podready.runtime.wrap.rendezvous import SharedShelf, shelf_of

pytestmark = pytest.mark.slow

GET = {"method": "GET", "scheme": "http"}


def meet(server: Server) -> socket.socket:
    """Connect to where the server's workers meet."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(f"\0podready/{os.getuid()}/{server.admin}")
    return sock


def hello(version: str = __version__) -> bytes:
    """Return what a worker says first."""
    said = {"kind": "hello", "pid": 1, "version": version, "leader": "", "changes": {}}
    return json.dumps(said).encode() + b"\n"


@pytest.mark.parametrize(
    "said",
    [
        b"no JSON\n",
        b'{"kind": "beat"}\n',
        b"[1, 2]\n",
        b'{"kind": "hello", "version": "%s"}\n' % __version__.encode(),
        hello(),
        hello("0.0.1"),
    ],
    ids=["no JSON", "no hello", "no object", "half a hello", "no shelf", "another version"],
)
def test_whoever_speaks_another_language_is_shown_out(start: Start, said: bytes) -> None:
    """The connection is closed, the log says so, the probes go on."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    with closing(meet(server)) as sock:
        sock.sendall(said)
        assert sock.recv(1) == b""
    assert server.probe("/readyz")[0] == 200
    eventually(lambda: "podready's leader refuses a process: it " in server.log, "it is logged")


def test_memory_that_is_no_shelf_is_refused(start: Start) -> None:
    """A descriptor of a file that is too small."""
    server = start(ASGI_SERVERS["uvicorn"]).ready()
    reading, writing = os.pipe()
    with closing(meet(server)) as sock:
        socket.send_fds(sock, [hello()], [reading])
        assert sock.recv(1) == b""
    os.close(reading)
    os.close(writing)
    assert server.probe("/livez")[0] == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_may_not_join(start: Start) -> None:
    """An abstract socket has no mode, so the leader looks at who has connected."""
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
            os.write(tell, b"refused" if sock.recv(1) == b"" else b"let in")
        except OSError:
            os.write(tell, b"refused")
        finally:
            os._exit(0)
    os.close(tell)
    assert os.read(said, 100) == b"refused"
    os.close(said)
    os.waitpid(pid, 0)


def counted(shelf: Shelf) -> dict[str, tuple[float, ...]]:
    """Return the values of the request histogram by labels."""
    return {
        each.labels: shelf.read(each) for each in shelf.cells() if each.family is REQUEST_DURATION
    }


def test_what_a_process_has_left_is_added_once() -> None:
    """Every follower brings the memory of the leader that ended; it counts once all the same."""
    theirs = SharedShelf()
    metrics = HttpMetrics(theirs)
    for seconds in (0.001, 2.0):
        metrics.door(GET).enter()
        metrics.door(GET).leave("/", 200, seconds)
    metrics.door(GET).enter()
    ledger = SharedShelf()
    HttpMetrics(ledger).door(GET).leave("/", 200, 1.0)
    brought = [shelf_of(os.dup(theirs.fd)) for _ in range(3)]
    assert [ledger.absorb(each) for each in brought] == [True, False, False]
    (values,) = counted(ledger).values()
    assert (sum(values[:-1]), values[-1]) == (3, 3.001)
    again = shelf_of(os.dup(ledger.fd))
    assert counted(again) == counted(ledger)
    active = [each for each in again.cells() if each.family is ACTIVE_REQUESTS]
    assert [again.read(each) for each in active] == [(-1.0,)]  # its own; theirs has ended
    for each in (*brought, again):
        each.close()
    ledger.release()
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
