"""What a request holds while it is under way, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import StartPod

from podready.runtime.app.call_failures import CallFailures
from podready.runtime.process import Runtime
from podready.runtime.requests.inflight import CURRENT, InFlightItem, ItemKind
from podready.runtime.requests.middleware import Middleware, MiddlewareOptions
from podready.runtime.requests.request import HttpRequest, Serving


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return a request's scope."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "headers": list(headers),
        "client": None,
    }


def middleware(app: Any) -> Middleware:
    """Return the middleware as an engine would call it."""
    options = MiddlewareOptions(client_gone=lambda _send: False)
    runtime = Runtime()
    return Middleware(
        app,
        runtime.in_flight,
        options,
        counters=runtime.counters,
        shutdown=runtime.shutdown,
        call_failures=CallFailures(runtime.health),
    )


async def receive() -> dict[str, Any]:
    """Have nothing to say."""
    return {"type": "http.disconnect"}


def test_a_request_sets_all_slots_of_an_item_in_flight() -> None:
    """HttpRequest repeats InFlightItem's constructor to save a call: the two must agree."""
    held = scope((b"x-request-id", b"r-1"), (b"traceparent", b"00-x"))
    plain = InFlightItem(ItemKind.REQUEST, held)
    request = HttpRequest(Serving(b"pod-1", lambda _send: False), held, receive)  # type: ignore[arg-type]
    plain.started = request.started
    differing = {
        slot
        for slot in InFlightItem.__slots__
        if getattr(request, slot, "missing") != getattr(plain, slot)
    }
    assert differing == set()
    missing = [slot for slot in HttpRequest.__slots__ if not hasattr(request, slot)]
    assert missing == ["_end_requested", "_tail"]  # set when the answer turns out to be a stream


async def test_what_is_over_lets_go_of_its_exchange_but_keeps_its_ids() -> None:
    """A thread that the app left behind still logs under the request's ids, and sends no more."""
    kept: list[HttpRequest] = []
    ids: list[dict[str, object]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        served_request = CURRENT.get()
        assert isinstance(served_request, HttpRequest)
        kept.append(served_request)
        ids.append(served_request.log_fields())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(_message: Any) -> None:
        return

    await middleware(app)(scope((b"x-request-id", b"r-1")), receive, send)
    (served_request,) = kept
    assert (served_request.scope, served_request.task, CURRENT.get()) == (None, None, None)
    assert served_request.log_fields() == ids[0]
    assert ids[0]["request_id"] == "r-1"
    with pytest.raises(OSError, match="left this request"):
        await served_request.send({"type": "http.response.body", "body": b"x"})


async def test_ids_asked_for_when_it_is_over_are_the_callers() -> None:
    """The headers that carry ids outlive the scope."""
    kept: list[HttpRequest] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        served_request = CURRENT.get()
        assert isinstance(served_request, HttpRequest)
        kept.append(served_request)

    async def send(_message: Any) -> None:
        return

    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await middleware(app)(scope((b"traceparent", trace), (b"user-agent", b"t")), receive, send)
    found = kept[0].trace
    assert found is not None
    assert (found.trace_id, kept[0].agent) == ("0af7651916cd43dd8448eb211c80319c", b"t")


async def test_crowds_of_requests_leave_nothing_behind() -> None:
    """Each leaves the set of work under way, also those that fail."""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0)
        if scope["fails"]:
            raise ValueError("no")

    served = middleware(app)
    scopes = [{**scope(), "fails": number % 3 == 0} for number in range(30)]
    calls = [served({**each}, receive, receive) for each in scopes]  # type: ignore[arg-type]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, ValueError) for answer in answers) == 10
    assert (served._in_flight.items, served.served) == (set(), 30)


def test_what_the_app_has_imported_is_frozen_before_it_serves(
    start_pod: StartPod, tmp_path: Path
) -> None:
    """A full collection has nothing of the start-up to walk through; later objects it sees.

    A file that the app opened at its import, and never closes, is still flushed at the end.
    """
    app = """
        import gc, os
        audit = open(os.environ["AUDIT"], "w")
        made_at_import = [object() for _ in range(3)], {}
        made_at_import[1]["self"] = made_at_import

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            audit.write("served")
            later = {}
            later["self"] = later
            ours = made_at_import, later
            seen = sum(any(each is one for one in ours) for each in gc.get_objects())
            body = f"{gc.get_freeze_count() > 1000} {seen}".encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
    """
    audit = tmp_path / "audit"
    pod = start_pod(app, AUDIT=str(audit)).ready()
    assert pod.get("/")[2] == b"True 1"
    assert pod.stop() == 0
    assert audit.read_text() == "served"


BOOM = """
    def wsgi(environ, start_response):
        raise ZeroDivisionError("boom")

    async def asgi(scope, receive, send):
        assert scope["type"] == "http"
        raise ZeroDivisionError("boom")

    app = {}
"""


@pytest.mark.parametrize("engine", ["uvicorn", "granian"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_the_trace_of_a_failure_has_the_ids_of_its_request(
    start_pod: StartPod, kind: str, engine: str
) -> None:
    """The one line that everybody looks for by trace id, whichever server writes it."""
    pod = start_pod(BOOM.replace("{}", kind), "--engine", engine).ready()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "r-17"}
    assert pod.get("/", headers=headers)[0] == 500
    pod.line("GET / 500")
    (failure,) = [line for line in pod.log if "ZeroDivisionError" in line.get("stack_trace", "")]
    assert (failure["trace_id"], failure["request_id"]) == (trace, "r-17")
