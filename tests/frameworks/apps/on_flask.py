"""Flask."""

from __future__ import annotations

import threading

from flask import Flask, Response, jsonify, request
from tests.frameworks.apps import gate

app = Flask(__name__)


def _wish() -> str:
    return request.headers.get("x-raise", "")


@app.before_request
def before_request() -> None:
    gate.fail_at("before_request", _wish())


@app.after_request
def after_request(response: Response) -> Response:
    gate.fail_at("after_request", _wish())
    return response


@app.teardown_request
def teardown_request(_error: BaseException | None) -> None:
    gate.fail_at("teardown_request", _wish())


@app.get("/")
def hello() -> Response:
    response = jsonify(hello="world")
    wish = _wish()
    response.call_on_close(lambda: gate.fail_at("close", wish))
    return response


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), mimetype="application/octet-stream")


@app.get("/slow")
def slow() -> str:
    gate.work_in_thread_behind("slow")
    return "slow done"


@app.get("/background")
def background() -> str:
    threading.Thread(target=gate.named_work_in_thread_behind, args=("background",)).start()
    return "accepted"


@app.get("/fail")
def fail() -> str:
    raise gate.PlannedError("planned fault in a handler")


@app.get("/stream")
def stream() -> Response:
    return Response(iter(gate.CHUNKS), mimetype="text/plain")


@app.get("/stream/fail")
def stream_fail() -> Response:
    return Response(gate.broken_chunks_in_thread(), mimetype="text/plain")


@app.get("/events")
def events() -> Response:
    return Response(gate.events_in_thread(), mimetype="text/event-stream")
