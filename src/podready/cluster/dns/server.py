"""Answers pods' questions for names, by UDP and TCP at the address in their /etc/resolv.conf.

Names outside the cluster do not exist here, since nothing outside can be reached; which were asked
for is kept, so that the report can say what the app missed.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, Final

from podready.cluster.client.informer import Informer
from podready.cluster.dns.message import UDP_SIZE, FormatError, make_answer, parse_question
from podready.cluster.dns.names import TTL_SECONDS, Lookup, is_ours, resolve
from podready.kube.addresses import DNS_ADDRESS
from podready.kube.gvk import ENDPOINT_SLICE, SERVICE
from podready.kube.meta import key, labels_of, namespace_of
from podready.kube.networking import SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.cluster.client.protocol import Client
    from podready.cluster.sandbox.interface import ServiceNetwork
    from podready.kube.meta import Object

PORT: Final = 53
_BY_SERVICE: Final = "service"
_LENGTH: Final = struct.Struct("!H")
_TCP_SECONDS: Final = 10.0
_MOST_KEPT: Final = 50


class ClusterDns:
    """The cluster's name server."""

    def __init__(self, client: Client, network: ServiceNetwork) -> None:
        self.asked_outside: dict[str, None] = {}
        """Names outside the cluster that pods asked for, in the order of their first question."""
        self._network = network
        self._services = Informer(client, SERVICE)
        self._slices = Informer(client, ENDPOINT_SLICE, indexes={_BY_SERVICE: _service_keys})
        self._lookup = Lookup(self._service, self._slices_of)
        self._tasks: list[asyncio.Task[None]] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._streams: asyncio.Server | None = None

    async def start(self) -> None:
        """Follow the cluster's Services and open both ports."""
        for informer in (self._services, self._slices):
            self._tasks.append(asyncio.create_task(informer.run()))
            await informer.wait_synced()
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), sock=self._network.datagrams(DNS_ADDRESS, PORT)
        )
        self._streams = await asyncio.start_server(
            self._serve_stream, sock=self._network.listen(DNS_ADDRESS, PORT)
        )

    async def stop(self) -> None:
        """Close both ports and stop following."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._streams is not None:
            self._streams.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answer(self, packet: bytes, size: int = 0xFFFF) -> bytes:
        """Return the answer to a packet in at most `size` bytes; b"" when it deserves none."""
        try:
            question = parse_question(packet)
        except FormatError as error:
            return error.answer
        self._note(question.name)
        return make_answer(question, resolve(question.name, self._lookup), TTL_SECONDS, size)

    def _note(self, name: str) -> None:
        outside = name and not is_ours(name) and not name.endswith(".arpa")
        if outside and len(self.asked_outside) < _MOST_KEPT:
            self.asked_outside[name] = None

    def _service(self, service: str) -> Object | None:
        return self._services.get(service)

    def _slices_of(self, service: str) -> Iterable[Object]:
        return self._slices.by_index(_BY_SERVICE, service)

    async def _serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer the questions of one TCP connection until it ends or is silent for long."""
        try:
            while True:
                async with asyncio.timeout(_TCP_SECONDS):
                    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                    answer = self.answer(await reader.readexactly(length))
                    writer.write(_LENGTH.pack(len(answer)) + answer)
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the resolver has gone
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP port."""

    def __init__(self, dns: ClusterDns) -> None:
        self._dns = dns
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer one packet."""
        answer = self._dns.answer(data, UDP_SIZE)
        if answer and self._transport is not None:
            self._transport.sendto(answer, addr)


def _service_keys(slice_: Object) -> Iterable[str]:
    name = labels_of(slice_).get(SERVICE_NAME)
    return (key(namespace_of(slice_), name),) if name else ()
