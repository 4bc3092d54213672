"""Starlette."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.frameworks.apps import gate


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    gate.mark("startup")
    gate.fail_at("startup")
    yield
    gate.mark("shutdown")
    gate.fail_at("shutdown")


class FailingMiddleware(BaseHTTPMiddleware):
    """Fails before or after the handler, as the request wishes."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        wish = request.headers.get("x-raise", "")
        gate.fail_at("middleware-before", wish)
        response = await call_next(request)
        gate.fail_at("middleware-after", wish)
        return response


async def hello(request: Request) -> Response:
    wish = request.headers.get("x-raise", "")
    task = BackgroundTask(gate.fail_at, "background", wish) if wish else None
    return JSONResponse({"hello": "world"}, background=task)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def slow(_request: Request) -> Response:
    await gate.work_behind("slow")
    return PlainTextResponse("slow done")


async def background(_request: Request) -> Response:
    return PlainTextResponse("accepted", background=BackgroundTask(gate.work_behind, "background"))


async def fail(_request: Request) -> Response:
    raise gate.PlannedError("planned fault in a handler")


async def stream(_request: Request) -> Response:
    return StreamingResponse(gate.chunks(), media_type="text/plain")


async def stream_fail(_request: Request) -> Response:
    return StreamingResponse(gate.broken_chunks(), media_type="text/plain")


async def events(_request: Request) -> Response:
    return StreamingResponse(gate.events(), media_type="text/event-stream")


async def quiet_events(_request: Request) -> Response:
    return StreamingResponse(gate.quiet_events(), media_type="text/event-stream")


async def echo_socket(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        gate.mark("socket-over")


app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(FailingMiddleware)],
    routes=[
        Route("/", hello),
        Route("/echo", echo, methods=["POST"]),
        Route("/slow", slow),
        Route("/background", background),
        Route("/fail", fail),
        Route("/stream", stream),
        Route("/stream/fail", stream_fail),
        Route("/events", events),
        Route("/events/quiet", quiet_events),
        WebSocketRoute("/ws", echo_socket),
    ],
)
