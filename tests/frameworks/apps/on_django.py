"""Django, one project served over both interfaces: `asgi` and `wsgi`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import django  # type: ignore[import-untyped]
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings  # type: ignore[import-untyped]
from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
from django.core.handlers.wsgi import WSGIHandler  # type: ignore[import-untyped]
from django.core.signals import request_finished, request_started  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]
from tests.frameworks.apps import gate

_jobs: set[asyncio.Task[None]] = set()


class FailingMiddleware:
    """Fails before or after the view, as the request wishes; sync and async."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._call_async(request)
        wish = _wish(request)
        gate.fail_at("middleware-before", wish)
        response = self._get_response(request)
        gate.fail_at("middleware-after", wish)
        return response

    async def _call_async(self, request: HttpRequest) -> Any:
        wish = _wish(request)
        gate.fail_at("middleware-before", wish)
        response = await self._get_response(request)
        gate.fail_at("middleware-after", wish)
        return response


def _wish(request: HttpRequest) -> str:
    return str(request.headers.get("x-raise", ""))


_waiting = threading.local()


def on_started(*, environ: dict[str, Any] | None = None, **facts: Any) -> None:
    """Fail as the request wishes; its finish does not know the request, so note the wish."""
    headers = facts.get("scope", {}).get("headers", ())
    wish = dict(headers).get(b"x-raise", b"").decode()
    wish = wish or (environ or {}).get("HTTP_X_RAISE", "")
    _waiting.wish = wish
    gate.fail_at("request_started", wish)


def on_finished(**_facts: Any) -> None:
    wish, _waiting.wish = getattr(_waiting, "wish", ""), ""
    gate.fail_at("request_finished", wish)


async def hello(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"hello": "world"})


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="application/octet-stream")


async def slow(_request: HttpRequest) -> HttpResponse:
    await gate.work_behind("slow")
    return HttpResponse("slow done")


def slow_in_thread(_request: HttpRequest) -> HttpResponse:
    gate.work_in_thread_behind("slow")
    return HttpResponse("slow done")


async def background(_request: HttpRequest) -> HttpResponse:
    job = asyncio.create_task(gate.named_work_behind("background"))
    _jobs.add(job)
    job.add_done_callback(_jobs.discard)
    return HttpResponse("accepted")


def background_in_thread(_request: HttpRequest) -> HttpResponse:
    threading.Thread(target=gate.named_work_in_thread_behind, args=("background",)).start()
    return HttpResponse("accepted")


async def fail(_request: HttpRequest) -> HttpResponse:
    raise gate.PlannedError("planned fault in a handler")


async def stream(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.chunks(), content_type="text/plain")


def stream_in_thread(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter(gate.CHUNKS), content_type="text/plain")


async def stream_fail(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.broken_chunks(), content_type="text/plain")


def stream_fail_in_thread(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.broken_chunks_in_thread(), content_type="text/plain")


async def events(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.events(), content_type="text/event-stream")


def events_in_thread(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.events_in_thread(), content_type="text/event-stream")


async def quiet_events(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(gate.quiet_events(), content_type="text/event-stream")


COMMON = [path("", hello), path("echo", echo), path("fail", fail)]


class AsyncUrls:
    """The routes over ASGI."""

    urlpatterns: ClassVar = [
        *COMMON,
        path("slow", slow),
        path("background", background),
        path("stream", stream),
        path("stream/fail", stream_fail),
        path("events", events),
        path("events/quiet", quiet_events),
    ]


class ThreadUrls:
    """The routes over WSGI."""

    urlpatterns: ClassVar = [
        *COMMON,
        path("slow", slow_in_thread),
        path("background", background_in_thread),
        path("stream", stream_in_thread),
        path("stream/fail", stream_fail_in_thread),
        path("events", events_in_thread),
    ]


class AsyncHandler(ASGIHandler):  # type: ignore[misc]
    """Django over ASGI with its own routes."""

    async def get_response_async(self, request: HttpRequest) -> Any:
        request.urlconf = AsyncUrls
        return await super().get_response_async(request)


class ThreadHandler(WSGIHandler):  # type: ignore[misc]
    """Django over WSGI with its own routes."""

    def get_response(self, request: HttpRequest) -> Any:
        request.urlconf = ThreadUrls
        return super().get_response(request)


settings.configure(
    ALLOWED_HOSTS=["localhost"],  # not the pod's address: probes must not depend on it
    MIDDLEWARE=[f"{__name__}.FailingMiddleware"],
    ROOT_URLCONF=AsyncUrls,
    SECRET_KEY="for the tests only",
    LOGGING_CONFIG=None,
)
django.setup(set_prefix=False)
request_started.connect(on_started)
request_finished.connect(on_finished)

asgi = AsyncHandler()
wsgi = ThreadHandler()
