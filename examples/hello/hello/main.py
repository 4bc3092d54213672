"""The app: a greeting, an echo, a slow answer, an endless stream and a WebSocket."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import podready
from hello.database import ping
from hello.settings import AppSettings

settings = AppSettings.load()
log = logging.getLogger("hello")
log.info("configured", extra={"production": settings.production, "hosts": settings.hosts})


@podready.check("database", critical=True)
def database() -> None:
    """Take the pod out of service while its database does not answer."""
    ping(settings.database_url.reveal())


async def hello(_: Request) -> Response:
    """Greet."""
    return PlainTextResponse("Hello, World!")


async def healthz(_: Request) -> Response:
    """Say that the app itself answers; Kubernetes asks podready's admin port instead."""
    return PlainTextResponse("OK!")


async def slow(_: Request) -> Response:
    """Answer after two seconds: the request that a careless stop would cut."""
    await asyncio.sleep(2)
    return PlainTextResponse("Hello, after two seconds!")


async def echo(request: Request) -> Response:
    """Send the body back with a signature by SECRET_KEY."""
    body = await request.body()
    signature = hmac.new(settings.secret_key.reveal().encode(), body, hashlib.sha256).hexdigest()
    log.info("echoed", extra={"bytes": len(body)})
    return Response(body, headers={"x-signature": signature})


async def events(_: Request) -> Response:
    """Send one event a second for ever; podready ends the stream when the pod goes."""

    async def tick() -> AsyncIterator[str]:
        number = 0
        while True:
            yield f"data: {number}\n\n"
            number += 1
            await asyncio.sleep(1)

    return StreamingResponse(tick(), media_type="text/event-stream")


async def websocket(socket: WebSocket) -> None:
    """Send every message back."""
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/healthz", healthz),
        Route("/slow", slow),
        Route("/echo", echo, methods=["POST"]),
        Route("/events", events),
        WebSocketRoute("/ws", websocket),
    ]
)
