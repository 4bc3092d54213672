"""The app of examples/hello without podready: plain uvicorn, settings read by hand."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

SECRET_KEY = os.environ.get("SECRET_KEY", "changeme")
DATABASE = os.environ.get("DATABASE", f"{tempfile.gettempdir()}/naive-{os.getuid()}.db")


async def hello(_: Request) -> Response:
    """Greet."""
    return PlainTextResponse("Hello, World!")


async def healthz(_: Request) -> Response:
    """Ask the database, for liveness and readiness alike."""
    sqlite3.connect(DATABASE).execute("SELECT 1").connection.close()
    return PlainTextResponse("OK!")


async def slow(_: Request) -> Response:
    """Answer after two seconds."""
    await asyncio.sleep(2)
    return PlainTextResponse("Hello, after two seconds!")


async def echo(request: Request) -> Response:
    """Send the body back."""
    return Response(await request.body())


async def events(_: Request) -> Response:
    """Send one event a second for ever."""

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
