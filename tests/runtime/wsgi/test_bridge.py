"""WSGI apps on the bridge: what crosses it, what holds a thread, and what the reports say."""

from __future__ import annotations

import os
import socket

import pytest
from tests.runtime.conftest import Pod, StartPod, eventually

pytestmark = pytest.mark.slow

PARTS = """
import hashlib, json, pathlib, sys, threading, time, traceback
gate = threading.Event()
after = threading.Event()
class Closing:
    def __init__(self, chunks, close): self.chunks, self.close = iter(chunks), close
    def __iter__(self): return self
    def __next__(self): return next(self.chunks)
def lines(environ):
    size = 0
    for line in environ["wsgi.input"]:
        size += len(line)
    return size
def app(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/environ":
        body = json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()
    elif path == "/digest":
        body = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    elif path == "/lines":
        body = str(lines(environ)).encode()
    elif path == "/wait":
        gate.wait(600); body = b"waited"
    elif path == "/open":
        gate.set(); body = b"opened"
    elif path == "/after":
        after.set(); body = b"set"
    elif path == "/exit":
        sys.exit(9)
    elif path == "/text":
        start_response("200 OK", headers); return ["text"]
    elif path == "/late-failure":
        start_response("200 OK", [("Content-Length", "100")])
        return (b"x" if number == 0 else 1 / 0 for number in range(2))
    elif path == "/failure-in-time":
        start_response("200 OK", headers)
        return (1 / 0 for _ in range(1))
    elif path == "/call-on-close":
        start_response("200 OK", headers)
        return Closing([b"answered"], lambda: after.wait(600))
    elif path == "/endless":
        start_response("200 OK", headers)
        def stream():
            try:
                while True:
                    yield b"x" * 65536
            finally:
                pathlib.Path("left").touch()
        return stream()
    else:
        body = b"ok"
    start_response("200 OK", headers)
    return [body]
"""


@pytest.fixture
def pod(start_pod: StartPod) -> Pod:
    """An app with one path for each case, on two threads."""
    return start_pod(PARTS, "--threads", "2", "--grace-period", "4s", "--hook-time", "1s").ready()


def ask(pod: Pod, request: bytes, body: bytes = b"") -> tuple[bytes, bytes]:
    """Send one request as it stands; return the answer's head and body."""
    with pod.connect() as client:
        client.sendall(request + b"\r\nHost: x\r\nConnection: close\r\n")
        client.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = b""
        while data := client.recv(65536):
            answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


def test_headers_that_could_pass_for_others(pod: Pod) -> None:
    """`X_Real_IP` and `Proxy` never reach the environ; cookies are joined with a semicolon."""
    names = (
        b"X_Real_IP: evil\r\nX-Real-IP: good\r\nProxy: http://evil\r\nCookie: a=1\r\nCookie: b=2"
    )
    _, body = ask(pod, b"GET /environ?q=%C3%A9 HTTP/1.1\r\n" + names)
    assert b'"HTTP_X_REAL_IP": "good"' in body
    assert b"evil" not in body
    assert b'"HTTP_COOKIE": "a=1; b=2"' in body
    assert b'"QUERY_STRING": "q=%C3%A9"' in body


def test_a_path_that_is_no_utf8(pod: Pod) -> None:
    """PATH_INFO carries the bytes as latin-1, as PEP 3333 asks."""
    _, body = ask(pod, b"GET /environ HTTP/1.1")
    assert b'"PATH_INFO": "/environ"' in body
    head, body = ask(pod, b"GET /%ff%c3%a9 HTTP/1.1")
    assert (head[:12], body) == (b"HTTP/1.1 200", b"ok")


@pytest.mark.parametrize("size", [10, 1 << 20, 5_000_001])
def test_bodies_small_and_large(pod: Pod, size: int) -> None:
    """A body arrives whole, whether it was read before the thread was taken or by it."""
    import hashlib

    sent = os.urandom(size)
    _, body = ask(pod, b"POST /digest HTTP/1.1", sent)
    assert body.decode() == hashlib.sha256(sent).hexdigest()


def test_a_body_of_many_lines_is_read_quickly(pod: Pod) -> None:
    """A hundred thousand short lines take no quadratic time."""
    _, body = ask(pod, b"POST /lines HTTP/1.1", b"0123456789\n" * 100_000)
    assert body == b"1100000"


def test_a_slow_body_holds_no_thread(pod: Pod) -> None:
    """Clients that send byte by byte outnumber the threads, and others are still served."""
    slow = [pod.connect() for _ in range(8)]
    for client in slow:
        client.sendall(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    assert ask(pod, b"GET / HTTP/1.1")[1] == b"ok"
    for client in slow:
        client.sendall(b"cde")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.close()


def test_an_error_before_the_first_chunk_is_a_500(pod: Pod) -> None:
    """The status of start_response has not gone out yet (PEP 3333)."""
    assert ask(pod, b"GET /failure-in-time HTTP/1.1")[0].startswith(b"HTTP/1.1 500")


def test_an_error_after_it_cuts_the_answer(pod: Pod) -> None:
    """The client can tell, for the promised length never comes; the error is in the log."""
    head, body = ask(pod, b"GET /late-failure HTTP/1.1")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"x"
    assert "ZeroDivisionError" in str(pod.line("Exception in ASGI application"))


@pytest.mark.parametrize(
    ("path", "message"),
    [("/exit", "it called sys.exit(9)"), ("/text", "a WSGI app must yield bytes, not str")],
)
def test_mistakes_that_must_not_end_the_worker(pod: Pod, path: str, message: str) -> None:
    """sys.exit() and text instead of bytes are a 500 and a line in the log, no more."""
    worker = pod.workers()[0]["pid"]
    assert ask(pod, f"GET {path} HTTP/1.1".encode())[0].startswith(b"HTTP/1.1 500")
    assert message in str(pod.line("Exception in ASGI application"))
    assert pod.workers()[0]["pid"] == worker


def test_work_in_close_keeps_no_client_waiting(pod: Pod) -> None:
    """The answer is out before close() returns, and close() still counts as in flight."""
    with pod.connect() as client:
        client.sendall(b"GET /call-on-close HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"answered"):
            answer += client.recv(1000)
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "close() is in flight")
    assert ask(pod, b"GET /after HTTP/1.1")[1] == b"set"
    eventually(lambda: pod.workers()[0].get("inflight") == 0, "close() is over")


def test_head_has_no_invented_length(pod: Pod) -> None:
    """A HEAD of what GET would answer does not say that it is empty."""
    head, body = ask(pod, b"HEAD / HTTP/1.1")
    assert body == b""
    assert b"content-length: 0" not in head.lower()


def test_a_download_whose_client_left_frees_its_thread(pod: Pod) -> None:
    """The generator is closed, on as many downloads as there are threads, and then some."""
    for _ in range(3):
        with pod.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        eventually((pod.directory / "left").exists, "the generator was closed")
        (pod.directory / "left").unlink()
    assert ask(pod, b"GET / HTTP/1.1")[1] == b"ok"


def test_requests_that_wait_for_a_thread(pod: Pod) -> None:
    """They are counted as queued, /tasks says what they wait for, and all are served in the end."""
    clients = [pod.connect() for _ in range(5)]
    for client in clients:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: pod.workers()[0].get("queued") == 3, "three of five wait")
    places = eventually(lambda: _places(pod, 5), "all five are in /tasks")
    assert sum("main.py" in place and "in app" in place for place in places) == 2
    assert sum("_wait_for_thread" in place for place in places) == 3
    assert pod.stop() == 0
    stuck = [line["stuck"]["at"] for line in pod.log if "stuck" in line]
    assert sum("main.py" in place for place in stuck) == 2
    for client in clients:
        client.close()


def _places(pod: Pod, number: int) -> list[str] | None:
    tasks = pod.probe("/tasks")[1]["tasks"]
    return [task["at"] for task in tasks] if len(tasks) == number else None


def test_a_handler_that_never_returns_delays_no_exit(pod: Pod) -> None:
    """Its thread is a daemon: the process ends at the deadline, not when the handler does."""
    with pod.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "it is in flight")
        assert pod.stop() == 0
    assert "GET /wait" in str(pod.line("still under way at the deadline"))
