"""Quart."""

from __future__ import annotations

import asyncio

from quart import Quart, Response, request, websocket
from tests.frameworks.apps import gate

app = Quart(__name__)
app.config["RESPONSE_TIMEOUT"] = None  # Quart ends a response after 60 s otherwise


def _wish() -> str:
    return str(request.headers.get("x-raise", ""))


@app.before_serving
async def before_serving() -> None:
    gate.mark("startup")
    gate.fail_at("startup")


@app.after_serving
async def after_serving() -> None:
    gate.mark("shutdown")
    gate.fail_at("shutdown")


@app.before_request
async def before_request() -> None:
    gate.fail_at("before_request", _wish())


@app.after_request
async def after_request(response: Response) -> Response:
    gate.fail_at("after_request", _wish())
    return response


@app.teardown_request
async def teardown_request(_error: BaseException | None) -> None:
    gate.fail_at("teardown_request", _wish())


@app.get("/")
async def hello() -> dict[str, str]:
    app.add_background_task(gate.fail_at, "background", _wish())
    return {"hello": "world"}


@app.post("/echo")
async def echo() -> Response:
    return Response(await request.get_data(), mimetype="application/octet-stream")


@app.get("/slow")
async def slow() -> str:
    await gate.work_behind("slow")
    return "slow done"


@app.get("/background")
async def background() -> str:
    app.add_background_task(gate.named_work_behind, "background")
    return "accepted"


@app.get("/fail")
async def fail() -> str:
    raise gate.PlannedError("planned fault in a handler")


@app.get("/stream")
async def stream() -> Response:
    return Response(gate.chunks(), mimetype="text/plain")


@app.get("/stream/fail")
async def stream_fail() -> Response:
    return Response(gate.broken_chunks(), mimetype="text/plain")


@app.get("/events")
async def events() -> Response:
    response = Response(gate.events(), mimetype="text/event-stream")
    response.timeout = None
    return response


@app.get("/events/quiet")
async def quiet_events() -> Response:
    response = Response(gate.quiet_events(), mimetype="text/event-stream")
    response.timeout = None
    return response


@app.websocket("/ws")
async def echo_socket() -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send(await websocket.receive())
    except asyncio.CancelledError:  # Quart's way to say that the client is gone
        gate.mark("socket-over")
        raise
