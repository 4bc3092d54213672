"""Asking the kernel who listens, with real sockets."""

from __future__ import annotations

import socket

import pytest

from podready.cluster.sandbox.network.sock_diag import listening, open_diag, works

pytestmark = pytest.mark.skipif(not works(), reason="this kernel has no SOCK_DIAG for TCP")

HERE = "127.9.9.10"


@pytest.mark.parametrize(
    ("family", "address", "found", "exactly"),
    [
        (socket.AF_INET, HERE, True, True),
        (socket.AF_INET, "0.0.0.0", True, False),
        (socket.AF_INET6, "::", True, False),
        (socket.AF_INET6, f"::ffff:{HERE}", True, True),
        (socket.AF_INET, "127.9.9.11", False, False),
        (socket.AF_INET6, "::1", False, False),
    ],
)
def test_what_a_connection_would_find(
    family: socket.AddressFamily, address: str, *, found: bool, exactly: bool
) -> None:
    """A server on the address or on all addresses is found, and only while it listens."""
    with open_diag() as diag, socket.socket(family) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        assert not listening(diag, HERE, port)  # bound, but nobody listens yet
        server.listen()
        assert listening(diag, HERE, port) is found
        assert listening(diag, HERE, port, exact=True) is exactly
        server.close()
        assert not listening(diag, HERE, port)


def test_connections_are_no_listeners() -> None:
    """A connection that outlives its listener does not look like one."""
    with open_diag() as diag, socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HERE, port)), server.accept()[0]:
            server.close()
            assert not listening(diag, HERE, port)
