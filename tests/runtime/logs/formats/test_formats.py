"""The formats: each vendor's names for level, time, trace, code, exception and request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podready.runtime.logs.encoder import json_dumps
from podready.runtime.logs.formats import datadog, ecs, gcp, otel
from podready.runtime.logs.formats.parts import Details, Format, More, ServedRequest, SourceLocation
from podready.runtime.logs.formats.service import Service, service_of
from podready.runtime.logs.log import Log
from podready.runtime.logs.options import LogOptions

SHOP = Service("shop", "1.2.3", "prod", "acme")
TRACE = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
FIELDS = {**TRACE, "trace_sampled": True, "request_id": "r1", "order": 42}
REQUEST = ServedRequest("GET", "/x", 200, 17, 0.012, "10.0.0.9", "curl", "HTTP/1.1")
TIME = 1795396995.123456
STAMP = "2026-11-23T01:23:15.123456Z"


class FailedError(Exception):
    """One of the app's own."""


def failed() -> FailedError:
    """Return an exception with a traceback."""
    try:
        raise FailedError("no money")  # noqa: TRY301 - for its traceback
    except FailedError as error:
        return error


def line(format_: Format, level: int, more: More = None, **fields: object) -> dict[str, Any]:
    """Return what a collector reads."""
    made = format_(level, "paid", "shop.pay", TIME, dict(fields), more, json_dumps)
    read: dict[str, Any] = json.loads(made)
    return read


def test_gcp() -> None:
    """Cloud Logging's special fields: numbers as strings where it wants them so."""
    details = Details(SourceLocation("pay.py", 42, "charge"), failed())
    read = line(gcp.formatter(SHOP), 40, details, **FIELDS)
    trace = read.pop("stack_trace")
    assert trace.startswith("Traceback (most recent call last):\n  File ")
    assert trace.endswith(".FailedError: no money")
    assert read == {
        "severity": "ERROR",
        "message": "paid",
        "time": STAMP,
        "logger": "shop.pay",
        **FIELDS,
        "logging.googleapis.com/trace": f"projects/acme/traces/{TRACE['trace_id']}",
        "logging.googleapis.com/spanId": TRACE["span_id"],
        "logging.googleapis.com/trace_sampled": True,
        "logging.googleapis.com/labels": {"service": "shop", "version": "1.2.3", "env": "prod"},
        "logging.googleapis.com/sourceLocation": {
            "file": "pay.py",
            "line": "42",
            "function": "charge",
        },
        "serviceContext": {"service": "shop", "version": "1.2.3"},
    }
    assert line(gcp.formatter(SHOP), 20, REQUEST)["httpRequest"] == {
        "requestMethod": "GET",
        "requestUrl": "/x",
        "status": 200,
        "responseSize": "17",
        "latency": "0.012000s",
        "remoteIp": "10.0.0.9",
        "userAgent": "curl",
        "protocol": "HTTP/1.1",
    }


def test_otel() -> None:
    """The log data model: body, severity by number and text, resource and attributes apart."""
    details = Details(SourceLocation("pay.py", 42, "charge"), failed())
    read = line(otel.formatter(SHOP), 40, details, **FIELDS)
    attributes = read.pop("attributes")
    assert read == {
        "timestamp": STAMP,
        "severity_text": "ERROR",
        "severity_number": 17,
        "body": "paid",
        **TRACE,
        "trace_flags": "01",
        "resource": {
            "service.name": "shop",
            "service.version": "1.2.3",
            "deployment.environment.name": "prod",
        },
        "scope": {"name": "shop.pay"},
    }
    assert attributes["order"] == 42
    assert attributes["code.line.number"] == 42
    assert attributes["exception.type"].endswith(".FailedError")
    assert attributes["exception.message"] == "no money"
    assert attributes["exception.stacktrace"].startswith("Traceback")
    attributes = line(otel.formatter(SHOP), 20, REQUEST)["attributes"]
    assert attributes["http.response.status_code"] == 200
    assert attributes["network.protocol.version"] == "1.1"


def test_ecs() -> None:
    """@timestamp, log.level and message come first, as ecs-logging demands."""
    details = Details(SourceLocation("pay.py", 42, "charge"), failed())
    read = line(ecs.formatter(SHOP), 50, details, **FIELDS)
    assert list(read)[:4] == ["@timestamp", "log.level", "message", "ecs.version"]
    assert read["log.level"] == "critical"
    assert (read["trace.id"], read["span.id"]) == (TRACE["trace_id"], TRACE["span_id"])
    assert (read["service.name"], read["service.environment"]) == ("shop", "prod")
    assert read["http.request.id"] == "r1"
    assert read["error.message"] == "no money"
    assert read["error.stack_trace"].startswith("Traceback")
    assert line(ecs.formatter(SHOP), 20, REQUEST)["event.duration"] == 12_000_000
    assert (read["log.origin.file.line"], read["order"]) == (42, 42)
    assert "trace_id" not in read


def test_datadog() -> None:
    """Nested standard attributes, and trace ids in the decimal form of their tracers."""
    details = Details(SourceLocation("pay.py", 42, "charge"), failed())
    read = line(datadog.formatter(SHOP), 30, details, **FIELDS)
    assert (read["status"], read["service"], read["env"]) == ("warning", "shop", "prod")
    assert read["dd.trace_id"] == str(int("a3ce929d0e0e4736", 16))
    assert read["dd.span_id"] == str(int("00f067aa0ba902b7", 16))
    assert read["logger"] == {
        "name": "shop.pay",
        "method_name": "charge",
        "file_name": "pay.py",
        "line": 42,
    }
    assert read["error"]["kind"].endswith(".FailedError")
    assert read["error"]["stack"].startswith("Traceback")
    read = line(datadog.formatter(SHOP), 30, REQUEST)
    assert (read["http"]["status_code"], read["network"]["client"]["ip"]) == (200, "10.0.0.9")
    assert read["logger"] == {"name": "shop.pay"}


@pytest.mark.parametrize(
    ("level", "cloud", "number", "word", "elastic", "dog"),
    [
        (5, "DEBUG", 1, "TRACE", "trace", "debug"),
        (10, "DEBUG", 5, "DEBUG", "debug", "debug"),
        (20, "INFO", 9, "INFO", "info", "info"),
        (25, "NOTICE", 10, "INFO2", "notice", "notice"),
        (29, "NOTICE", 10, "INFO2", "notice", "notice"),
        (30, "WARNING", 13, "WARN", "warning", "warning"),
        (40, "ERROR", 17, "ERROR", "error", "error"),
        (50, "CRITICAL", 21, "FATAL", "critical", "critical"),
        (60, "ALERT", 19, "ERROR3", "alert", "alert"),
        (70, "EMERGENCY", 21, "FATAL", "emergency", "emergency"),
    ],
)
def test_every_level_in_every_format(
    level: int, cloud: str, number: int, word: str, elastic: str, dog: str
) -> None:
    """A level in between takes the next lower row."""
    nobody = Service()
    assert line(gcp.formatter(nobody), level)["severity"] == cloud
    open_telemetry = line(otel.formatter(nobody), level)
    assert open_telemetry["severity_number"] == number
    assert open_telemetry["severity_text"] == word
    assert line(ecs.formatter(nobody), level)["log.level"] == elastic
    assert line(datadog.formatter(nobody), level)["status"] == dog


@pytest.mark.parametrize("name", ["gcp", "ecs", "datadog"])
def test_a_field_by_a_name_of_ours_is_renamed_not_lost(name: str) -> None:
    """The collector's keys stay ours; no key ever stands twice."""
    output = Log()
    output.choose(LogOptions(format=name))
    plain = json.loads(output.line(20, "paid", "shop.pay", TIME, {}))
    for _ in range(2):  # the second time the names are known
        taken = {**dict.fromkeys(plain, "mine"), "message_": "theirs"}
        read = json.loads(output.line(20, "paid", "shop.pay", TIME, taken))
        assert {key: read[key] for key in plain} == plain
        assert all(read[f"{key}_"] == "mine" for key in plain if key != "message")
        assert sorted((read["message_"], read["message__"])) == ["mine", "theirs"]


def test_labels_of_a_line_join_those_of_the_service() -> None:
    """Cloud Logging indexes labels, so an app may want its own."""
    name = "logging.googleapis.com/labels"
    read = line(gcp.formatter(SHOP), 20, None, **{name: {"tenant": "a", "env": "test"}})
    assert read[name] == {"service": "shop", "version": "1.2.3", "env": "test", "tenant": "a"}


def test_a_stack_without_an_exception_has_its_field_too() -> None:
    """`stack_info=True` and stacks that others have formatted."""
    more = Details(stack="Stack (most recent call last):\n  x")
    assert line(gcp.formatter(SHOP), 20, more)["stack_trace"].startswith("Stack")
    assert line(otel.formatter(SHOP), 20, more)["attributes"]["exception.stacktrace"]
    assert line(ecs.formatter(SHOP), 20, more)["error.stack_trace"]
    assert line(datadog.formatter(SHOP), 20, more)["error"]["stack"]


def test_who_writes_is_read_from_the_platforms_variables() -> None:
    """OpenTelemetry's first, then Datadog's, then Cloud Run's."""
    found = service_of(
        {
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=x, service.version=1%2E2,"
            "deployment.environment.name=prod,bad",
            "DD_SERVICE": "y",
            "GOOGLE_CLOUD_PROJECT": "acme",
        }
    )
    assert found == Service("shop", "1.2", "prod", "acme")
    assert service_of({"K_SERVICE": "run", "K_REVISION": "run-00007"}) == Service(
        "run", "run-00007"
    )
    assert service_of({"DD_ENV": "prod", "DD_VERSION": "2"}) == Service("", "2", "prod")
    assert service_of({}) == Service()


def test_ecs_has_no_text_where_elasticsearch_has_an_object() -> None:
    """`error` beside `error.type` would cost the whole document."""
    output = Log()
    output.choose(LogOptions(format="ecs"))
    names = ("error", "log", "service", "http", "trace", "span", "url", "client", "event")
    fields = dict.fromkeys((*names, "user_agent", "ecs", "order", "url.path"), "x")
    read = json.loads(output.line(40, "m", "l", 1.0, fields, Details(error=failed())))
    assert {f"{name}_" for name in (*names, "user_agent", "ecs", "url.path")} <= set(read)
    assert read["order"] == "x"
    assert not set(names) & set(read)


def test_gcp_names_that_are_taken_are_renamed_not_lost() -> None:
    """Names that only some lines have are the app's in all others."""
    prefix = "logging.googleapis.com/"
    taken = {
        "serviceContext": "mine",
        f"{prefix}labels": "mine",
        f"{prefix}trace": "mine",
        f"{prefix}spanId": "mine",
        f"{prefix}sourceLocation": "mine",
    }
    ids = {"trace_id": "a" * 32, "span_id": "b" * 16}
    details = Details(SourceLocation("a.py", 1, "f"), failed())
    service = SHOP._replace(project="acme")
    read = line(gcp.formatter(service), 40, details, **taken, **ids)
    assert {read[f"{name}_"] for name in taken} == {"mine"}
    assert read[f"{prefix}trace"] == f"projects/acme/traces/{'a' * 32}"
    assert read["serviceContext"]["service"] == "shop"
    alone = line(gcp.formatter(Service()), 20, None, **taken)
    assert {name: alone[name] for name in taken} == taken


@pytest.mark.parametrize("name", ["gcp", "otel", "ecs", "datadog"])
def test_what_is_not_known_of_a_request_is_left_out(name: str) -> None:
    """A latency of zero is a number that somebody would count."""
    format_ = {"gcp": gcp, "otel": otel, "ecs": ecs, "datadog": datadog}[name].formatter(Service())
    known = json.dumps(line(format_, 20, ServedRequest("GET", "/", 200, 7, 0.25)))
    unknown = line(format_, 20, ServedRequest("GET", "/", 200, None, None))
    for word in ("latency", "duration", "bytes", "responseSize", "body.size", "network", "null"):
        assert word not in json.dumps(unknown)
    assert any(word in known for word in ("latency", "duration"))
