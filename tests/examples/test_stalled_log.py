"""An app whose log nobody reads goes on serving, answers its probes and obeys SIGTERM."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.examples.conftest import until

pytestmark = pytest.mark.slow

REQUESTS = 3000
"""Three times what it takes to hang uvicorn with its own access log (1,084 requests)."""


def test_a_stalled_stdout_stalls_nothing_else(start: Any, free_port: Callable[[], int]) -> None:
    """stdout is a pipe that is full after some 150 requests; each one is answered all the same."""
    reader, writer = os.pipe()
    try:
        port, admin = free_port(), free_port()
        app = start("hello", stdout=writer, PORT=str(port), PODREADY_ADMIN_PORT=str(admin))
        until(lambda: listens(admin) and app.ask("/readyz", port=admin)[0] == 200, lambda: "ready")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(REQUESTS):
            client.request("GET", "/")
            assert client.getresponse().read() == b"Hello, World!"
        client.close()
        assert app.ask("/readyz", port=admin)[0] == 200
        app.terminate()
        assert app.exit_code() == 0
    finally:
        os.close(reader)
        os.close(writer)


def listens(port: int) -> bool:
    """Say whether somebody accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True
