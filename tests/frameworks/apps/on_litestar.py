"""Litestar."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import WebSocketDisconnect
from litestar.logging import LoggingConfig
from litestar.response import Stream
from tests.frameworks.apps import gate

AnyRequest = Request[Any, Any, Any]


async def before_request(request: AnyRequest) -> None:
    gate.fail_at("before_request", request.headers.get("x-raise", ""))


async def after_response(request: AnyRequest) -> None:
    gate.fail_at("after_response", request.headers.get("x-raise", ""))


async def on_startup() -> None:
    gate.mark("startup")
    gate.fail_at("startup")


async def on_shutdown() -> None:
    gate.mark("shutdown")
    gate.fail_at("shutdown")


@get("/")
async def hello(request: AnyRequest) -> Response[dict[str, str]]:
    wish = request.headers.get("x-raise", "")
    return Response({"hello": "world"}, background=BackgroundTask(fail_behind, wish))


async def fail_behind(wish: str) -> None:
    gate.fail_at("background", wish)


@post("/echo", status_code=200)
async def echo(request: AnyRequest) -> Response[bytes]:
    return Response(await request.body(), media_type="application/octet-stream")


@get("/slow", media_type="text/plain")
async def slow() -> str:
    await gate.work_behind("slow")
    return "slow done"


@get("/background")
async def background() -> Response[str]:
    job = BackgroundTask(gate.work_behind, "background")
    return Response("accepted", media_type="text/plain", background=job)


@get("/fail")
async def fail() -> None:
    raise gate.PlannedError("planned fault in a handler")


@get("/stream")
async def stream() -> Stream:
    return Stream(gate.chunks(), media_type="text/plain")


@get("/stream/fail")
async def stream_fail() -> Stream:
    return Stream(gate.broken_chunks(), media_type="text/plain")


@get("/events")
async def events() -> Stream:
    return Stream(gate.events(), media_type="text/event-stream")


@get("/events/quiet")
async def quiet_events() -> Stream:
    return Stream(gate.quiet_events(), media_type="text/event-stream")


@websocket("/ws")
async def echo_socket(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        gate.mark("socket-over")


app = Litestar(
    [hello, echo, slow, background, fail, stream, stream_fail, events, quiet_events, echo_socket],
    before_request=before_request,
    after_response=after_response,
    on_startup=[on_startup],
    on_shutdown=[on_shutdown],
    openapi_config=None,
    logging_config=LoggingConfig(  # its records go up to the root, where podready's handler is
        configure_root_logger=False,
        log_exceptions="always",
        loggers={"litestar": {"level": "INFO", "handlers": [], "propagate": True}},
    ),
)
