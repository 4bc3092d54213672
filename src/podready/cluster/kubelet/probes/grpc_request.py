"""One call of grpc.health.v1.Health/Check over an open socket: what a gRPC probe sends.

HTTP/2 is h2's business, over our own socket: grpcio would want to open the connection itself, and
could not do so inside the pod's network. Insecure and one call a connection, as the kubelet's own
client (pkg/probe/grpc).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_PATH: Final = "/grpc.health.v1.Health/Check"
_OK: Final = 0
_UNIMPLEMENTED: Final = 12
"""Codes of google.golang.org/grpc/codes."""

_STATUS_FIELD: Final = 0x08
_SERVICE_FIELD: Final = 0x0A
"""Tags of the two messages' only fields: status, a varint, and service, a string (health.proto)."""


class ServingStatus(IntEnum):
    """HealthCheckResponse.ServingStatus."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class GrpcRequestError(Exception):
    """There was no status; the message is the kubelet's."""


@dataclass(slots=True)
class _Reply:
    """What has come back."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False


async def check(
    dial: Callable[[], socket.socket],
    address: tuple[str, int],
    service: str,
    user_agent: str,
    timeout: float,
) -> ServingStatus:
    """Ask for the status of `service`; GrpcRequestError when there is none in `timeout` seconds."""
    place = f"{address[0]}:{address[1]}"
    loop = asyncio.get_running_loop()
    connected = False
    try:
        async with asyncio.timeout(timeout):
            with dial() as sock:
                await loop.sock_connect(sock, address)
                connected = True
                reply = await _call(sock, place, service, user_agent)
    except TimeoutError:
        late = (
            "timeout: health rpc did not complete"
            if connected
            else f'timeout: failed to connect service "{place}"'
        )
        raise GrpcRequestError(f"{late} within {timeout:g}s") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise GrpcRequestError(
            f'error: failed to connect service at "{place}": {reason.lower()}'
        ) from error
    return _status(reply)


async def _call(sock: socket.socket, place: str, service: str, user_agent: str) -> _Reply:
    from h2.connection import H2Connection
    from h2.exceptions import ProtocolError

    loop = asyncio.get_running_loop()
    connection = H2Connection()
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, _headers(place, user_agent))
    connection.send_data(stream, _request(service), end_stream=True)
    reply = _Reply()
    while not reply.complete:
        await loop.sock_sendall(sock, connection.data_to_send())
        data = await loop.sock_recv(sock, 1 << 16)
        if not data:
            raise GrpcRequestError(
                "error: health rpc probe failed: error reading server preface: EOF"
            )
        try:
            for event in connection.receive_data(data):
                _take(event, reply, connection)
        except ProtocolError as error:
            raise GrpcRequestError(f"error: health rpc probe failed: {error}") from error
    return reply


def _headers(place: str, user_agent: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", _PATH),
        (":authority", place),
        ("content-type", "application/grpc"),
        ("user-agent", user_agent),
        ("te", "trailers"),
    ]


def _request(service: str) -> bytes:
    """Return a HealthCheckRequest in gRPC's frame: a flag, the length, the message."""
    name = service.encode()
    message = bytes([_SERVICE_FIELD]) + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _take(event: Any, reply: _Reply, connection: Any) -> None:
    from h2 import events

    if isinstance(event, events.ResponseReceived | events.TrailersReceived):
        for name, value in event.headers or ():
            reply.headers[_text(name)] = _text(value)
    elif isinstance(event, events.DataReceived):
        reply.body += event.data or b""
        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, events.StreamEnded | events.StreamReset | events.ConnectionTerminated):
        reply.complete = True


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _status(reply: _Reply) -> ServingStatus:
    code = reply.headers.get("grpc-status", "")
    message = reply.headers.get("grpc-message", "")
    if code == str(_UNIMPLEMENTED):
        raise GrpcRequestError(
            "error: this server does not implement the grpc health protocol "
            f"(grpc.health.v1.Health): {message}"
        )
    if code != str(_OK):
        raise GrpcRequestError(f"error: health rpc probe failed: {message or 'no grpc-status'}")
    body = reply.body[5:]
    number = body[1] if len(body) > 1 and body[0] == _STATUS_FIELD else 0
    try:
        return ServingStatus(number)
    except ValueError:
        return ServingStatus.UNKNOWN
