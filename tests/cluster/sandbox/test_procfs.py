"""What /proc tells of listening sockets and signal handlers."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack

import pytest

from podready.cluster.sandbox.procfs import handles, listening


@pytest.mark.slow
def test_listening_sockets_among_many_others() -> None:
    """A listener is found by address and port, whatever else the table holds."""
    me = os.getpid()
    with ExitStack() as opened:
        servers = [opened.enter_context(socket.create_server(("127.9.9.9", 0))) for _ in range(60)]
        ports = [server.getsockname()[1] for server in servers]
        for port in ports[:20]:
            opened.enter_context(socket.create_connection(("127.9.9.9", port)))

        assert all(listening(me, "127.9.9.9", port) for port in ports)
        assert not any(listening(me, "127.9.9.8", port) for port in ports)
    assert not any(listening(me, "127.9.9.9", port) for port in ports)


def test_a_listener_on_all_addresses() -> None:
    """It counts for every address, unless exactly that address is asked for."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert listening(os.getpid(), "127.9.9.9", port)
        assert not listening(os.getpid(), "127.9.9.9", port, exact=True)
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        assert listening(os.getpid(), "127.9.9.9", server.getsockname()[1])


def test_signal_handlers() -> None:
    """A handler shows in SigCgt; the default action does not; a process that is gone has none."""
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        assert handles(os.getpid(), signal.SIGUSR2)
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        assert not handles(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert not handles(2**22, signal.SIGTERM)
