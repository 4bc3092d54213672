"""A watch as HTTP carries it: one JSON line an event, chunked, until its time is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from podready.cluster.apiserver.answers import form_of
from podready.cluster.apiserver.negotiation import JSON, Form
from podready.cluster.apiserver.printers.table import bookmark_table, partial, table
from podready.kube.meta import Object, resource_version_of
from podready.kube.status import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.clock import Clock
    from podready.cluster.apiserver.watching import WatchStream
    from podready.cluster.client.protocol import WatchEvent
    from podready.kube.gvk import Resource

BOOKMARK_SECONDS = 60.0
"""How often a watch that allows them gets a bookmark (kube-apiserver: about once a minute)."""

DEFAULT_TIMEOUT_SECONDS = 1800
"""How long a watch lasts whose client names no time (kube-apiserver's --min-request-timeout)."""


@dataclass(frozen=True, slots=True)
class WatchResponse:
    """One running watch of one client."""

    request: web.BaseRequest
    resource: Resource
    stream: WatchStream
    clock: Clock
    bookmarks: bool
    timeout: float

    async def send(self) -> web.StreamResponse:
        """Send events until the stream is closed, the time is up or the client has gone."""
        encode = self._encoder()
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache"})
        response.enable_chunked_encoding()
        await response.prepare(self.request)
        try:
            await self._send_events(response, encode)
            await response.write_eof()
        except ConnectionResetError:
            pass  # the client has gone: that is how watches end
        return response

    async def _send_events(
        self, response: web.StreamResponse, encode: Callable[[WatchEvent], Any]
    ) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timeout
        next_bookmark = loop.time() + (BOOKMARK_SECONDS if self.bookmarks else float("inf"))
        while (now := loop.time()) < end:
            try:
                event = await self.stream.next_within(min(end, next_bookmark) - now)
            except ApiError as error:
                await response.write(_line("ERROR", error.to_status()))
                return
            if event is None and self.stream.closed:
                return
            if event is None and loop.time() >= next_bookmark:
                event, next_bookmark = self.stream.bookmark(), loop.time() + BOOKMARK_SECONDS
            if event is not None and (event.type != "BOOKMARK" or self.bookmarks):
                await response.write(_line(event.type, encode(event)))

    def _encoder(self) -> Callable[[WatchEvent], Any]:
        """Return how to show the objects of events in the form the client asked for."""
        form = form_of(self.request)
        if form is Form.TABLE:
            return _TableRows(self.resource, self.clock, self.request.query.get("includeObject"))
        if form is Form.PARTIAL:
            return lambda event: partial(event.object)
        return lambda event: event.object


class _TableRows:
    """Events as one-row Tables; only the first has headings."""

    def __init__(self, resource: Resource, clock: Clock, include: str | None) -> None:
        self._resource, self._clock = resource, clock
        self._include = include or "Metadata"
        self._headings = True

    def __call__(self, event: WatchEvent) -> Object:
        if event.type == "BOOKMARK":
            return bookmark_table(event.object)
        shown = table(
            self._resource,
            [event.object],
            now=self._clock.now(),
            resource_version=resource_version_of(event.object),
            include=self._include,
            headings=self._headings,
        )
        self._headings = False
        return shown


def _line(kind: str, obj: Any) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}) + b"\n"
