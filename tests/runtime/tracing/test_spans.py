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
from tests.runtime.conftest import Pod, StartPod, eventually

from podready.runtime.tracing.spans import start_tracing, wants_traces

pytestmark = pytest.mark.slow

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

STARLETTE = """
    import logging
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route
    from opentelemetry import trace
    from podready.tracing import outgoing_headers

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
    (event,) = failed.events
    assert event.name == "exception"
    told = {each.key: each.value.string_value for each in event.attributes}
    assert told["exception.type"] == "ValueError"
    assert told["exception.stacktrace"].startswith("Traceback (most recent call last):")
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
    """The app has set OpenTelemetry up itself: we add no span, but flush its provider.

    Its span's ids are in the lines inside it; outside we make none up that would contradict it.
    """
    app = """
        import logging
        from opentelemetry import trace
        from podready.tracing import outgoing_headers
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            with trace.get_tracer("shop").start_as_current_span("mine"):
                logging.getLogger("shop").warning("inside")
                sent = outgoing_headers()["traceparent"].encode()
                await send({"type": "http.response.start", "status": 200, "headers": []})
            logging.getLogger("shop").warning("outside")
            await send({"type": "http.response.body", "body": sent})
    """
    pod = traced(start_pod, collector, app)
    sent = pod.get("/")[2].decode()
    assert pod.stop() == 0
    (mine,) = collector.spans
    ids = {"trace_id": mine.trace_id.hex(), "span_id": mine.span_id.hex()}
    assert sent[:52] == f"00-{ids['trace_id']}-{ids['span_id']}"
    assert pod.line("inside").items() >= ids.items()
    for made_up in (pod.line("outside"), pod.line("GET / 200")):
        assert "trace_id" not in made_up


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


def test_googles_header_is_a_parent_too(start_pod: StartPod, collector: Collector) -> None:
    """A load balancer of Google's calls: its trace goes on, and its decision to record it."""
    pod = traced(start_pod, collector, STARLETTE)
    pod.get("/many", headers={"x-cloud-trace-context": f"{TRACE}/13235353014750950193;o=1"})
    assert pod.stop() == 0
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


PLAIN = """
    import logging, sys
    from podready.tracing import outgoing_headers

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await receive()
            logging.getLogger("shop").warning("socket")
            await send({"type": "websocket.close", "code": 1000})
            return
        assert scope["type"] == "http"
        logging.getLogger("shop").warning("loading")
        sent = outgoing_headers().get("traceparent", "")
        body = f"{sent} {'opentelemetry.sdk' in sys.modules}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
"""

PLAIN_FLASK = """
    import logging, sys
    from flask import Flask
    from podready.tracing import outgoing_headers
    app = Flask("shop")

    @app.get("/")
    def hello():
        logging.getLogger("shop").warning("loading")
        return f"{outgoing_headers()['traceparent']} {'opentelemetry.sdk' in sys.modules}"
"""


@pytest.mark.parametrize("source", [PLAIN, PLAIN_FLASK], ids=["asgi", "wsgi"])
def test_without_an_exporter_there_is_no_sdk_and_the_trace_goes_on(
    start_pod: StartPod, source: str
) -> None:
    """The caller's trace is in every line, with a span of our own that the next service gets."""
    pod = start_pod(source).ready()
    version, trace, span, rest = pod.get("/", headers=SAMPLED)[2].decode().split("-")
    assert (version, trace, rest) == ("00", TRACE, "01 False")
    assert span != PARENT
    for line in (pod.line("loading"), pod.line("GET / 200")):
        assert (line["trace_id"], line["span_id"], line["trace_sampled"]) == (trace, span, True)
    pod.stop()


@pytest.mark.parametrize("source", [PLAIN, PLAIN_FLASK], ids=["asgi", "wsgi"])
def test_a_request_without_a_trace_begins_one(start_pod: StartPod, source: str) -> None:
    """Two requests, two traces; one has the same ids in all its lines and in what goes on."""
    pod = start_pod(source).ready()
    first, second = (pod.get("/")[2].decode().split("-") for _ in range(2))
    assert first[3] == second[3] == "02 False"
    assert len({first[1], second[1], first[2], second[2]}) == 4
    eventually(lambda: len([each for each in pod.log if "httpRequest" in each]) == 2, "two lines")
    for _, trace, span, _ in (first, second):
        lines = [each for each in pod.log if each.get("trace_id") == trace]
        assert [each["message"] for each in lines] == ["loading", "GET / 200"]
        assert {each["span_id"] for each in lines} == {span}
        assert not any(each["trace_sampled"] for each in lines)
    pod.stop()


def test_a_websocket_has_ids_too(start_pod: StartPod) -> None:
    """The upgrade's own headers name the trace and the request."""
    pod = start_pod(PLAIN).ready()
    headers = {
        **SAMPLED,
        "x-request-id": "r-7",
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert pod.get("/", headers=headers)[0] == 403  # closed before it was accepted
    line = pod.line("socket")
    assert (line["trace_id"], line["request_id"]) == (TRACE, "r-7")
    assert line["span_id"] != PARENT
    pod.stop()


def test_exemplars_only_for_traces_that_somebody_records(start_pod: StartPod) -> None:
    """A trace that begins here is in the log, but a bucket does not point at it."""
    pod = start_pod(PLAIN).ready()
    accept = {"accept": "application/openmetrics-text"}
    pod.get("/")
    pod.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert b"trace_id" not in pod.get("/metrics", port=pod.admin, headers=accept)[2]
    sent = pod.get("/", headers=SAMPLED)[2].decode().split("-")
    mark = f'trace_id="{TRACE}",span_id="{sent[2]}"'.encode()
    assert mark in pod.get("/metrics", port=pod.admin, headers=accept)[2]
    pod.stop()


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
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "otlp, console"},
            True,
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "console"}, False),
    ],
)
def test_when_traces_are_wanted(environ: dict[str, str], wanted: bool) -> None:
    """Only where an exporter for traces is configured, and nobody has switched it off."""
    assert wants_traces(environ) is wanted


SECRET_URL = """
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        raise ValueError("no answer from postgres://app:hunter2@db/shop")
"""


def test_a_span_masks_what_the_log_masks(start_pod: StartPod, collector: Collector) -> None:
    """Collectors have more readers than logs."""
    pod = traced(start_pod, collector, SECRET_URL)
    pod.get("/", headers=SAMPLED)
    assert pod.stop() == 0
    (span,) = collector.spans
    assert "postgres://app:[redacted]@db/shop" in str(span.events)
    assert "hunter2" not in str(span)


@pytest.mark.parametrize("port", ["9" * 5000, "9" * 20, "65536", "-1", "\u00b2"])
def test_a_host_that_no_host_has_is_no_failure(
    start_pod: StartPod, collector: Collector, port: str
) -> None:
    """What a client writes there reaches neither the app's answer nor the exporter's timeout."""
    pod = traced(start_pod, collector, STARLETTE)
    assert pod.get("/users/1", headers={"host": f"shop:{port}", **SAMPLED})[0] == 200
    assert pod.stop() == 0
    assert "server.port" not in attributes(collector.spans[0])
    assert not [line for line in pod.log if line["severity"] == "ERROR"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_PROPAGATORS", "nosuch"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9999999")],
)
def test_variables_that_the_sdk_refuses_cost_the_traces_only(
    start_pod: StartPod, collector: Collector, variable: str, value: str
) -> None:
    """Telemetry is no reason to keep an app from starting; the log says why there is none."""
    pod = traced(start_pod, collector, STARLETTE, **{variable: value})
    assert pod.get("/users/1")[0] == 200
    assert "there will be no traces" in pod.line("there will be no traces")["message"]
    assert pod.stop() == 0
    assert collector.spans == []
