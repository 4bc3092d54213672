"""The data plane for the load process: passes sockets from inside pod networks on.

A load process asks over an AF_UNIX SOCK_SEQPACKET socket, one JSON object a packet:

    {"id": 7, "service": "default/hello", "port": 80, "node": 2}

and gets, with the file descriptor of an unconnected TCP socket (SCM_RIGHTS),

    {"id": 7, "node": 2, "pod": "default/hello-5d9c-x2x4v", "ip": "10.244.0.7", "port": 3000}

or, without one, `{"id": 7, "node": 2, "error": "no-endpoints"}`; the error is "pod-gone", with the
pod, when the node still routes to a pod that has no network any more. The process connects the
socket itself, so there is no hop, and a refusal or reset is the kernel's own.
Who may connect: the owner only (a 0600 socket in a 0700 directory).
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from podready.cluster.proxy.proxier import RefusedError
from podready.socket_path import short

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from podready.cluster.proxy.backends import Backend

    Pick = Callable[[int, str, int, str], Backend]
    Dial = Callable[[str, str], socket.socket]

_LOG = logging.getLogger(__name__)
_SEQPACKET = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_PACKET = 4096
_BURST = 64
"""Most requests answered before others get their turn on the loop: some 10 ms of work."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
POD_GONE = "pod-gone"


def dial_backend(dial: Dial, backend: Backend) -> socket.socket | None:
    """Return a fresh socket in the backend's pod network, or None when the pod has none.

    OSError when this machine has run out of files: that is not the pod's fault.
    """
    namespace, _, name = backend.pod.partition("/")
    try:
        fresh = dial(namespace, name)
    except LookupError:
        return None
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise
        return None
    fresh.setblocking(False)
    return fresh


async def connect_backend(dial: Dial, backend: Backend) -> socket.socket:
    """Return a socket connected to the backend; OSError when it refuses or has no network."""
    fresh = dial_backend(dial, backend)
    if fresh is None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"pod {backend.pod} is gone")
    try:
        await asyncio.get_running_loop().sock_connect(fresh, (backend.ip, backend.port))
    except BaseException:
        fresh.close()
        raise
    return fresh


class DialServer:
    """Serves sockets to load processes at `path` until stopped."""

    def __init__(self, path: Path, pick: Pick, dial: Dial) -> None:
        self._path, self._pick, self._dial = path, pick, dial
        self._listener: socket.socket | None = None
        self._clients: set[_DialClient] = set()

    def start(self) -> None:
        """Listen; a stale socket file at the path is replaced."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, _SEQPACKET)
        with short(self._path) as name:
            self._listener.bind(name)
        self._path.chmod(0o600)
        self._listener.listen()
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Close everything and remove the socket file."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        for client in tuple(self._clients):
            client.close()
        self._path.unlink(missing_ok=True)

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket | None]:
        """Return the answer to a request and the socket that goes with it."""
        node = request["node"]
        fact: dict[str, Any] = {"id": request["id"], "node": node}
        try:
            client = request.get("client", f"node-{node}")
            backend = self._pick(node, request["service"], request["port"], client)
        except RefusedError as refusal:
            return {**fact, "error": str(refusal)}, None
        fact |= {"pod": backend.pod, "ip": backend.ip, "port": backend.port}
        fresh = dial_backend(self._dial, backend)
        return (fact, fresh) if fresh is not None else ({**fact, "error": POD_GONE}, None)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # gone before we came to it
        connection.setblocking(False)
        self._clients.add(_DialClient(connection, self))

    def forget(self, client: _DialClient) -> None:
        """Drop a client that has closed."""
        self._clients.discard(client)


class _DialClient:
    """One load process: reads its requests, and queues answers it is too slow to take."""

    def __init__(self, connection: socket.socket, server: DialServer) -> None:
        self._connection, self._server = connection, server
        self._unsent: deque[tuple[bytes, socket.socket | None]] = deque()
        asyncio.get_running_loop().add_reader(connection, self._receive)

    def close(self) -> None:
        """Close the connection and the sockets that were not passed on."""
        if self._connection.fileno() < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._connection)
        loop.remove_writer(self._connection)
        self._connection.close()
        for _, fresh in self._unsent:
            if fresh is not None:
                fresh.close()
        self._server.forget(self)

    def _receive(self) -> None:
        """Answer all that has arrived: a busy loop comes by too rarely to take one at a time."""
        try:
            for _ in range(_BURST):
                packet = self._connection.recv(_PACKET)
                if not packet:
                    self.close()
                    return
                fact, fresh = self._server.answer(json.loads(packet))
                self._unsent.append((json.dumps(fact).encode(), fresh))
                self._flush()
                if self._connection.fileno() < 0:
                    return  # the client went away while it was answered
        except BlockingIOError:
            return  # nothing is left to read
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("dialer: a client was dropped: %r", error)
            self.close()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                message, fresh = self._unsent[0]
                descriptors = [fresh.fileno()] if fresh is not None else []
                socket.send_fds(self._connection, [message], descriptors)
                self._unsent.popleft()
                if fresh is not None:
                    fresh.close()  # the load process has its own descriptor now
        except BlockingIOError:
            loop.add_writer(self._connection, self._flush)
        except OSError:
            self.close()
        else:
            loop.remove_writer(self._connection)
