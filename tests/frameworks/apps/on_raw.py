"""Raw ASGI: no framework between the app and the server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from tests.frameworks.apps import gate

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Dispatch on the scope's type and path."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo_socket(receive, send)
    else:
        await ROUTES.get(scope["path"], missing)(receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    gate.mark("startup")
    gate.fail_at("startup")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    gate.mark("shutdown")
    gate.fail_at("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def echo_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    gate.mark("socket-over")


async def answer(
    send: Send, body: bytes, kind: bytes = b"application/json", code: int = 200
) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def stream(send: Send, chunks: AsyncIterator[bytes], kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        await chunks.aclose()  # type: ignore[attr-defined]
    await send({"type": "http.response.body", "body": b""})


async def hello(_receive: Receive, send: Send) -> None:
    await answer(send, json.dumps({"hello": "world"}).encode())


async def echo(receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await answer(send, body, b"application/octet-stream")


async def slow(_receive: Receive, send: Send) -> None:
    await gate.work_behind("slow")
    await answer(send, b"slow done", b"text/plain")


async def background(_receive: Receive, send: Send) -> None:
    await answer(send, b"accepted", b"text/plain")
    await gate.work_behind("background")


async def fail(_receive: Receive, _send: Send) -> None:
    raise gate.PlannedError("planned fault in a handler")


async def missing(_receive: Receive, send: Send) -> None:
    await answer(send, b"no such route", b"text/plain", 404)


async def stream_chunks(_receive: Receive, send: Send) -> None:
    await stream(send, gate.chunks())


async def stream_fail(_receive: Receive, send: Send) -> None:
    await stream(send, gate.broken_chunks())


async def events(_receive: Receive, send: Send) -> None:
    await stream(send, gate.events(), b"text/event-stream")


async def quiet_events(_receive: Receive, send: Send) -> None:
    await stream(send, gate.quiet_events(), b"text/event-stream; charset=utf-8")


ROUTES = {
    "/": hello,
    "/echo": echo,
    "/slow": slow,
    "/background": background,
    "/fail": fail,
    "/stream": stream_chunks,
    "/stream/fail": stream_fail,
    "/events": events,
    "/events/quiet": quiet_events,
}
