"""Spans of real pods, received over OTLP by a server that decodes the protobuf."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from podready.runtime.tracing import start_tracing, wants_traces

from .conftest import Pod, StartPod, eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

STARLETTE = """
    import logging
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route
    from opentelemetry import trace
    from podready.runtime.propagation import outgoing_headers

    async def user(request):
        with trace.get_tracer("shop").start_as_current_span("load user"):
            logging.getLogger("shop").warning("loading")
        return JSONResponse(outgoing_headers())

    async def fail(request):
        raise ValueError("no")

    async def many(request):
        async def chunks():
            for _ in range(20):
                yield b"x"
        return StreamingResponse(chunks())

    app = Starlette(routes=[
        Route("/users/{id}", user), Route("/fail", fail), Route("/many", many)
    ])
"""

FLASK = """
    from flask import Flask
    from opentelemetry import trace
    app = Flask("shop")

    @app.get("/users/<int:number>")
    def user(number):
        with trace.get_tracer("shop").start_as_current_span("load user"):
            return "x"
"""


class Collector:
    """An OTLP receiver over HTTP, as an OpenTelemetry collector has it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep the spans of one export."""
        for resource in request.resource_spans:
            pairs = resource.resource.attributes
            self.resources.append({each.key: each.value.string_value for each in pairs})
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver on a port of its own."""
    made = Collector()
    yield made
    made.close()


def traced(start_pod: StartPod, collector: Collector, source: str, **environ: str) -> Pod:
    """Return a ready pod that exports to the collector when it stops, not before."""
    return start_pod(
        source,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_SERVICE_NAME="shop",
        OTEL_BSP_SCHEDULE_DELAY="3600000",
        **environ,
    ).ready()


def attributes(span: Span) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    return {
        each.key: getattr(each.value, str(each.value.WhichOneof("value")))
        for each in span.attributes
    }


def test_a_request_is_one_span_by_the_stable_conventions(
    start_pod: StartPod, collector: Collector
) -> None:
    """The caller's trace goes on, the app's own span is inside, and the stop sends it all."""
    pod = traced(start_pod, collector, STARLETTE)
    answer = pod.get("/users/42?card=1234", headers={**SAMPLED, "user-agent": "test/1"})[2]
    assert pod.stop() == 0
    (server,) = collector.named("GET /users/{id}")
    (inner,) = collector.named("load user")
    assert server.kind == Span.SPAN_KIND_SERVER
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert inner.parent_span_id == server.span_id
    assert attributes(server) == {
        "http.request.method": "GET",
        "url.path": "/users/42",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "test/1",
        "server.address": "127.0.0.1",
        "server.port": pod.port,
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
    }
    assert collector.resources[0]["service.name"] == "shop"
    span_id = server.span_id.hex()
    assert f"00-{TRACE}-{span_id}-01".encode() in answer  # what goes on to the next service
    line = pod.line("loading")
    assert (line["trace_id"], line["trace_sampled"]) == (TRACE, True)
    assert pod.line("GET /users/42 200")["span_id"] == span_id


def test_failures_are_told_and_messages_are_no_spans(
    start_pod: StartPod, collector: Collector
) -> None:
    """An exception is on the span of its request; a stream of twenty chunks is one span."""
    pod = traced(start_pod, collector, STARLETTE)
    pod.get("/fail", headers=SAMPLED)
    pod.get("/many", headers=SAMPLED)
    pod.get("/none", headers=SAMPLED)
    assert pod.stop() == 0
    assert len(collector.spans) == 3
    (failed,) = collector.named("GET /fail")
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert attributes(failed)["error.type"] == "ValueError"
    assert [event.name for event in failed.events] == ["exception"]
    (none,) = collector.named("GET")
    assert attributes(none)["http.response.status_code"] == 404
    assert none.status.code == Status.STATUS_CODE_UNSET  # a client's mistake is no error of ours


def test_one_new_trace_in_ten_and_the_callers_will(
    start_pod: StartPod, collector: Collector
) -> None:
    """Without a caller's word a tenth is recorded; its "no" is kept, its "yes" too."""
    pod = traced(start_pod, collector, STARLETTE)
    for _ in range(200):
        pod.get("/none")
    for _ in range(20):
        pod.get("/many", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    for _ in range(20):
        pod.get("/fail", headers=SAMPLED)
    assert pod.stop() == 0
    assert 0 < len(collector.named("GET")) < 60  # binomial(200, 0.1): 60 is nine sigma away
    assert collector.named("GET /many") == []
    assert len(collector.named("GET /fail")) == 20


def test_the_sampler_of_the_environment_is_kept(start_pod: StartPod, collector: Collector) -> None:
    """OTEL_TRACES_SAMPLER says all: then all it is."""
    pod = traced(start_pod, collector, STARLETTE, OTEL_TRACES_SAMPLER="always_on")
    for _ in range(20):
        pod.get("/none")
    assert pod.stop() == 0
    assert len(collector.named("GET")) == 20


def test_wsgi_apps_have_the_same_spans(start_pod: StartPod, collector: Collector) -> None:
    """A Flask app on its thread: one server span with the rule, the app's own span inside."""
    pytest.importorskip("flask")
    pod = traced(start_pod, collector, FLASK)
    pod.get("/users/1", headers=SAMPLED)
    assert pod.stop() == 0
    (server,) = collector.named("GET /users/<int:number>")
    (inner,) = collector.named("load user")
    assert inner.parent_span_id == server.span_id
    assert len(collector.spans) == 2


def test_fastapi_does_not_make_a_second_server_span(
    start_pod: StartPod, collector: Collector
) -> None:
    """FastAPI traces by itself once there is a provider; two server spans would count double."""
    pytest.importorskip("fastapi")
    app = """
        from fastapi import FastAPI
        app = FastAPI()

        @app.get("/users/{number}")
        async def user(number: int):
            return number
    """
    pod = traced(start_pod, collector, app)
    assert pod.get("/users/7", headers=SAMPLED)[0] == 200
    assert pod.stop() == 0
    servers = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    assert [span.name for span in servers] == ["GET /users/{number}"]


def test_an_app_with_its_own_provider_keeps_it(start_pod: StartPod, collector: Collector) -> None:
    """The app has set OpenTelemetry up itself: we add no span, but flush its provider."""
    app = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            with trace.get_tracer("shop").start_as_current_span("mine"):
                await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
    """
    pod = traced(start_pod, collector, app)
    pod.get("/")
    assert pod.stop() == 0
    assert [span.name for span in collector.spans] == ["mine"]


def test_a_collector_that_is_silent_does_not_hold_the_stop(start_pod: StartPod) -> None:
    """It accepts and never answers: the last spans have two seconds, then the pod is gone."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        pod = start_pod(STARLETTE, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).ready()
        pod.get("/users/1", headers=SAMPLED)
        assert pod.stop() == 0
    assert pod.line("the last spans could not be sent in time")
    stopped = next(text for text in pod.messages() if text.startswith("stopped after"))
    assert float(stopped.split()[2]) < 5


def test_without_an_exporter_there_is_no_sdk(start_pod: StartPod) -> None:
    """Nothing configured: OpenTelemetry's SDK is not even imported, and ids are still logged."""
    app = """
        import sys

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            loaded = b"yes" if "opentelemetry.sdk" in sys.modules else b"no"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": loaded})
    """
    pod = start_pod(app).ready()
    assert pod.get("/", headers=SAMPLED)[2] == b"no"
    line = eventually(
        lambda: next((each for each in list(pod.log) if "trace_id" in each), None), "a line"
    )
    assert (line["trace_id"], line["span_id"]) == (TRACE, PARENT)


def test_a_missing_package_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint is set, the extra is not installed: one line says so, and the app starts."""
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert start_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}) is None
    assert "pip install 'podready[otel]'" in caplog.text


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_when_traces_are_wanted(environ: dict[str, str], wanted: bool) -> None:
    """Only where an exporter for traces is configured, and nobody has switched it off."""
    assert wants_traces(environ) is wanted
