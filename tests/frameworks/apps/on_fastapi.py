"""FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Header, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocketDisconnect
from tests.frameworks.apps import gate


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    gate.mark("startup")
    gate.fail_at("startup")
    yield
    gate.mark("shutdown")
    gate.fail_at("shutdown")


app = FastAPI(lifespan=lifespan)
Wish = Annotated[str, Header(alias="x-raise")]


class RefusedError(Exception):
    """Has a handler of its own, which fails."""


@app.exception_handler(RefusedError)
async def handle_refusal(_request: Request, _error: Exception) -> Response:
    gate.fail_at("exception-handler", "exception-handler")
    return PlainTextResponse("never sent")


async def session(wish: Wish = "") -> AsyncIterator[None]:
    gate.fail_at("dependency", wish)
    yield
    gate.fail_at("dependency-exit", wish)


@app.get("/", dependencies=[Depends(session)])
async def hello(tasks: BackgroundTasks, wish: Wish = "") -> dict[str, str]:
    tasks.add_task(gate.fail_at, "background", wish)
    if wish == "exception-handler":
        raise RefusedError
    return {"hello": "world"}


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.get("/slow", response_class=PlainTextResponse)
def slow() -> str:
    gate.work_in_thread_behind("slow")
    return "slow done"


@app.get("/background", response_class=PlainTextResponse)
async def background(tasks: BackgroundTasks) -> str:
    tasks.add_task(gate.work_in_thread_behind, "background")
    return "accepted"


@app.get("/fail")
async def fail() -> None:
    raise gate.PlannedError("planned fault in a handler")


@app.get("/stream")
async def stream() -> Response:
    return StreamingResponse(gate.chunks(), media_type="text/plain")


@app.get("/stream/fail")
async def stream_fail() -> Response:
    return StreamingResponse(gate.broken_chunks(), media_type="text/plain")


@app.get("/events")
async def events() -> Response:
    return StreamingResponse(gate.events(), media_type="text/event-stream")


@app.get("/events/quiet")
async def quiet_events() -> Response:
    return StreamingResponse(gate.quiet_events(), media_type="text/event-stream")


@app.websocket("/ws")
async def echo_socket(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        gate.mark("socket-over")
