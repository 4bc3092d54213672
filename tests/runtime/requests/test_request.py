"""What a request holds while it is under way, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import StartPod

from podready.runtime.requests.inflight import CURRENT, InFlight
from podready.runtime.requests.middleware import Wrapper
from podready.runtime.requests.request import HttpRequest


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


def wrapper(app: Any) -> Wrapper:
    """Return a wrapper as an engine would call it."""
    inflight = InFlight()
    return Wrapper(app, inflight, secret="", access_log=False, client_gone=lambda _send: False)


async def receive() -> dict[str, Any]:
    """Have nothing to say."""
    return {"type": "http.disconnect"}


async def test_what_is_over_lets_go_of_its_exchange_but_keeps_its_ids() -> None:
    """A thread that the app left behind still logs under the request's ids, and sends no more."""
    kept: list[HttpRequest] = []
    ids: list[dict[str, object]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        work = CURRENT.get()
        assert isinstance(work, HttpRequest)
        kept.append(work)
        ids.append(work.log_fields())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(_message: Any) -> None:
        return

    await wrapper(app)(scope((b"x-request-id", b"r-1")), receive, send)
    (work,) = kept
    assert (work.scope, work.task, CURRENT.get()) == (None, None, None)
    assert work.log_fields() == ids[0]
    assert ids[0]["request_id"] == "r-1"
    with pytest.raises(OSError, match="left this request"):
        await work.send({"type": "http.response.body", "body": b"x"})


async def test_ids_asked_for_when_it_is_over_are_the_callers() -> None:
    """The headers that carry ids outlive the scope."""
    kept: list[HttpRequest] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        work = CURRENT.get()
        assert isinstance(work, HttpRequest)
        kept.append(work)

    async def send(_message: Any) -> None:
        return

    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await wrapper(app)(scope((b"traceparent", trace), (b"user-agent", b"t")), receive, send)
    found = kept[0].trace
    assert found is not None
    assert (found.trace_id, kept[0].agent) == ("0af7651916cd43dd8448eb211c80319c", b"t")


async def test_crowds_of_requests_leave_nothing_behind() -> None:
    """Each leaves the set of work under way, also those that fail."""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0)
        if scope["fails"]:
            raise ValueError("no")

    served = wrapper(app)
    scopes = [{**scope(), "fails": number % 3 == 0} for number in range(30)]
    calls = [served({**each}, receive, receive) for each in scopes]  # type: ignore[arg-type]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, ValueError) for answer in answers) == 10
    assert (served._inflight.works, served.served) == (set(), 30)


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
    """The one line that everybody looks for by trace id, whoever writes it."""
    pod = start_pod(BOOM.replace("{}", kind), "--engine", engine).ready()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "r-17"}
    assert pod.get("/", headers=headers)[0] == 500
    pod.line("GET / 500")
    (failure,) = [line for line in pod.log if "ZeroDivisionError" in line.get("stack_trace", "")]
    assert (failure["trace_id"], failure["request_id"]) == (trace, "r-17")
