"""An app object in the test's own process: real listener, probes and drain; nothing stays."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import podready
from podready.errors import StartupError
from podready.runtime.process import RUNTIME
from podready.testing import ServeApp, ServedApp
from podready.testing import serve_app as serve_app_until_end_of_block


async def slow(_: Request) -> Response:
    """Answer after the SIGTERM of a test."""
    await asyncio.sleep(0.3)
    return PlainTextResponse("done")


async def until_told(_: Request) -> Response:
    """Answer once the drain has begun."""
    await podready.wait_for_shutdown()
    assert podready.shutting_down()
    return PlainTextResponse("told")


async def forever(_: Request) -> Response:
    """Never answer."""
    await asyncio.sleep(60)
    return PlainTextResponse("at last")


async def fails(_: Request) -> Response:
    """Answer 500 once the drain has begun."""
    await podready.wait_for_shutdown()
    raise RuntimeError("the pool is closed")


async def events(_: Request) -> Response:
    """Send events for ever."""

    async def tick() -> Any:
        while True:
            yield "data: tick\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(tick(), media_type="text/event-stream")


ROUTES = [
    Route("/slow", slow),
    Route("/until-told", until_told),
    Route("/forever", forever),
    Route("/fails", fails),
    Route("/events", events),
]


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Fail a test that leaves a thread."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 10.0
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()


pytestmark = [pytest.mark.usefixtures("no_threads_left"), pytest.mark.slow]


def test_a_good_app_loses_nothing(serve_app: ServeApp) -> None:
    """Requests across the drain, a stream that is ended, and clients that send all the time."""
    app = serve_app(Starlette(routes=ROUTES))
    pending = [app.start(path) for path in ("/slow", "/until-told", "/events")]
    app.keep_requesting("/slow")
    assert app.drain() == 0
    assert [each.response().status for each in pending] == [200, 200, 200]
    assert pending[1].response().text == "told"
    app.assert_no_request_lost()
    assert not podready.shutting_down()


def test_a_wsgi_app_loses_nothing(serve_app: ServeApp) -> None:
    """Its threads end with it."""
    flask = Flask("shop")

    @flask.get("/slow")
    def slow() -> str:
        while not podready.shutting_down():
            time.sleep(0.01)
        return "done"

    app = serve_app(flask)
    pending = app.start("/slow")
    app.drain()
    assert pending.response().text == "done"
    app.assert_no_request_lost()


def test_the_test_and_the_app_share_their_objects(serve_app: ServeApp) -> None:
    """A fake of the test is the app's; no other process knows it."""
    seen: list[str] = []

    async def remember(request: Request) -> Response:
        seen.append(request.url.path)
        return PlainTextResponse("ok")

    app = serve_app(Starlette(routes=[Route("/a", remember)]))
    app.get("/a")
    assert seen == ["/a"]


def test_probes_answer_as_in_a_pod(serve_app: ServeApp) -> None:
    """Ready, taken out by the app, unhealthy, draining."""
    app = serve_app(Starlette(routes=ROUTES), drain_delay=1.0)
    assert app.probe("/readyz").json() == {"status": "ok", "phase": "ready"}
    assert app.probe("/startupz").status == 200
    assert app.probe("/no-such-probe").status == 404
    podready.set_ready(False, "rebuilding")
    assert app.probe().json()["failing"] == ["set_ready"]
    podready.set_ready(True)
    podready.mark_unhealthy("the index is corrupt")
    assert app.probe("/livez").status == 503
    podready.mark_healthy()
    app.begin_drain()
    assert app.probe().status == 503
    assert app.probe().json()["phase"] == "draining"
    assert app.get("/slow").headers["connection"] == "close"
    app.assert_no_request_lost()


def test_lifespan_and_hooks_run(serve_app: ServeApp) -> None:
    """In the order of a pod's life."""
    done: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        done.append("start-up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        done.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    hooks_before = list(RUNTIME.registry.shutdown_hooks)
    try:
        podready.on_shutdown("the last")(lambda: done.append("hook"))
        serve_app(app).drain()
    finally:
        RUNTIME.registry.shutdown_hooks[:] = hooks_before
    assert done == ["start-up", "shutdown", "hook"]


def report_of(app: ServedApp) -> str:
    """Return the message of the assertion, which must fail."""
    with pytest.raises(AssertionError) as error:
        app.assert_no_request_lost()
    return str(error.value)


def test_an_app_that_raises_in_the_drain_fails(serve_app: ServeApp) -> None:
    """A 500 is a loss."""
    app = serve_app(Starlette(routes=ROUTES))
    app.start("/fails")
    app.drain()
    assert "GET /fails" in report_of(app)
    assert "the app answered 500" in report_of(app)


def test_work_that_outlives_its_time_fails_with_its_line(serve_app: ServeApp) -> None:
    """It is cut at the end of the time for requests, long before the grace period ends."""
    app = serve_app(Starlette(routes=ROUTES), grace_period=2.6, hook_time=0.1)
    app.start("/forever")
    app.drain()
    report = report_of(app)
    assert "GET /forever" in report
    assert "test_serve_app.py:" in report
    assert " in forever" in report


def test_an_app_that_does_not_start_says_why(serve_app: ServeApp) -> None:
    """The exception of its lifespan; another app can be served after it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("no such colour")

    with pytest.raises(StartupError, match="no such colour"):
        serve_app(app)
    assert serve_app(Starlette(routes=ROUTES)).get("/slow").status == 200


def test_a_start_that_hangs_is_given_up(serve_app: ServeApp) -> None:
    """After `startup_timeout`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    with pytest.raises(StartupError, match=r"not ready within 0\.2 s"):
        serve_app(app, startup_timeout=0.2)


def test_one_app_at_a_time(serve_app: ServeApp) -> None:
    """What is in flight belongs to the process."""
    serve_app(Starlette(routes=ROUTES))
    with pytest.raises(StartupError, match="another app is served"):
        serve_app(Starlette(routes=ROUTES))


async def test_an_async_test_can_use_it(serve_app: ServeApp) -> None:
    """The app has a thread and an event loop of its own."""
    app = serve_app(Starlette(routes=ROUTES))
    pending = app.start("/until-told")
    assert await asyncio.to_thread(app.drain) == 0
    assert pending.response().status == 200
    app.assert_no_request_lost()


def test_nothing_is_left_after_the_block() -> None:
    """An exception in the block ends the app with a request in flight."""

    def test_that_fails() -> None:
        with serve_app_until_end_of_block(Starlette(routes=ROUTES)) as app:
            apps.append(app)
            app.start("/forever")
            raise ZeroDivisionError

    apps: list[ServedApp] = []
    with pytest.raises(ZeroDivisionError):
        test_that_fails()
    for port in (apps[0].port, apps[0].admin_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
