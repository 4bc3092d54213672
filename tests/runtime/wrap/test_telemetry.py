"""Logs, metrics, levels and traces of apps that keep their own server, by `podready.wrap` alone."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from contextlib import closing
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.runtime.conftest import eventually
from tests.runtime.tracing.test_spans import Collector, collector
from tests.runtime.wrap.server import GUNICORN, Server, Start

pytestmark = pytest.mark.slow

__all__ = ["collector"]  # the fixture

SOURCE = """
import logging, os, time
import podready
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if "TEST_REGISTRY" in os.environ:
    from prometheus_client import Counter
    orders = Counter("shop_orders", "Orders taken.")
else:
    orders = None

log = logging.getLogger("shop.pay")

def user_of(number):
    log.info("user", extra={"number": number, "password": "hunter2"})
    log.debug("detail")
    print("printed")
    if orders:
        orders.inc()
    if number == "0":
        raise ValueError("nobody has number 0")
    return str(os.getpid())

async def user(request):
    return PlainTextResponse(user_of(request.path_params["number"]))

asgi = Starlette(routes=[Route("/users/{number}", user)])
wsgi = Flask("shop")

@wsgi.get("/users/<number>")
def flask_user(number):
    return user_of(number)
"""

GRANIAN = ("granian", "--port", "{port}", "--workers", "2", "--interface")
TWO = {
    "uvicorn": ("uvicorn", "asgi:asgi", "--port", "{port}", "--workers", "2"),
    "gunicorn -k uvicorn": (
        *GUNICORN,
        "-w",
        "2",
        "-k",
        "uvicorn_worker.UvicornWorker",
        "asgi:asgi",
    ),
    "gunicorn -k asgi --preload": (*GUNICORN, "-w", "2", "-k", "asgi", "--preload", "asgi:asgi"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "asgi:asgi"),
    "granian": (
        "granian",
        "--interface",
        "asgi",
        "--port",
        "{port}",
        "--workers",
        "2",
        "asgi:asgi",
    ),
    "gunicorn gthread": (*GUNICORN, "-w", "2", "--threads", "4", "wsgi:wsgi"),
    "gunicorn sync --preload": (*GUNICORN, "-w", "2", "--preload", "wsgi:wsgi"),
    "granian wsgi": (
        "granian",
        "--interface",
        "wsgi",
        "--port",
        "{port}",
        "--workers",
        "2",
        "wsgi:wsgi",
    ),
}
"""Servers with two workers."""

COUNT = "http_server_request_duration_seconds_count"
ACTIVE = "http_server_active_requests"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server) -> Samples:
    """Return every sample of the page, by name and labels; none when nobody answers."""
    answer = server.get("/metrics", server.admin)
    if answer is None:
        return {}
    assert answer[0] == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer[2].decode())
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of all samples of that name with these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in samples.items() if found == name and wanted <= has)


def settled(server: Server, count: float, **labels: str) -> Samples:
    """Wait until so many requests are counted and none is under way."""
    found: list[Samples] = []

    def counted() -> bool:
        found.append(scrape(server))
        return (total(found[-1], COUNT, **labels), total(found[-1], ACTIVE)) == (count, 0)

    eventually(counted, f"{count} requests on the page: {server.log}")
    return found[-1]


def begin(start: Start, name: str, **environ: str) -> Server:
    """Start a server with two workers and wait until both have served."""
    server = start(TWO[name], SOURCE, **environ)
    eventually(lambda: server.probe("/readyz")[0] == 200, f"ready: {server.log}")
    return server


def served_by_both(server: Server) -> tuple[int, set[int]]:
    """Ask until both workers have answered; return how many requests that took, and who did."""
    pids: list[int] = []

    def both() -> bool:
        answer = server.get("/users/1")
        if answer is not None and answer[0] == 200:
            pids.append(int(answer[2]))
        return len(set(pids)) == 2

    eventually(both, f"two workers: {server.log}")
    return len(pids), set(pids)


def lines(server: Server) -> list[dict[str, Any]]:
    """Return the lines of the log that are JSON."""
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


TELL_NO_TRACE = {"gunicorn -k asgi --preload", "granian", "granian wsgi"}
"""Servers that say nothing of an app's exception, or say it in lines of text."""


def traces(server: Server) -> list[dict[str, Any]]:
    """Return the lines with the stack trace of the failure."""
    return [line for line in lines(server) if "nobody has number 0" in line.get("stack_trace", "")]


def put(server: Server, path: str, body: object) -> int:
    """Change something on the admin port; 0 when nobody is there."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.admin, timeout=20)) as client:
        try:
            client.request("PUT", path, json.dumps(body))
            return client.getresponse().status
        except OSError:
            return 0


@pytest.mark.parametrize("name", TWO)
def test_one_page_and_one_log_for_two_workers(start: Start, name: str) -> None:
    """Requests of both workers are one count; each has one access line, and its id in the app's."""
    server = begin(start, name)
    asked, _ = served_by_both(server)
    route = "/users/<number>" if "wsgi:wsgi" in TWO[name] else "/users/{number}"
    samples = settled(server, asked, http_route=route, http_response_status_code="200")
    assert total(samples, COUNT) == asked
    assert total(samples, "podready_state", state="ready") == 1
    assert server.get("/users/0")[0] == 500  # type: ignore[index]
    settled(server, 1, http_route=route, http_response_status_code="500")

    def logged() -> list[dict[str, Any]]:
        found = [line for line in lines(server) if line["logger"] == "podready.access"]
        return found if len(found) == asked + 1 else []

    access = eventually(logged, f"{asked} access lines: {server.log}")
    assert {line["message"] for line in access} == {"GET /users/1 200", "GET /users/0 500"}
    assert all(line["httpRequest"]["protocol"].startswith("HTTP/1.1") for line in access)
    assert {line["httpRequest"]["remoteIp"] for line in access} == {"127.0.0.1"}
    if name not in TELL_NO_TRACE:
        (failed,) = (line for line in access if line["severity"] == "ERROR")
        told = eventually(lambda: traces(server), f"the trace: {server.log}")
        assert {line["request_id"] for line in told} == {failed["request_id"]}
    said = [line for line in lines(server) if line["message"] == "user"]
    assert {line["request_id"] for line in said} == {line["request_id"] for line in access}
    assert {line["password"] for line in said} == {"[redacted]"}
    assert any(line["message"] == "printed" for line in lines(server))


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn gthread", "gunicorn -k asgi --preload"])
def test_counts_survive_the_end_of_any_worker(start: Start, name: str) -> None:
    """kill -9 of the leader, then of the other worker: what they have served stays counted."""
    server = begin(start, name)
    asked, first = served_by_both(server)
    settled(server, asked)
    leader = int(server.probe("/readyz?verbose")[1]["details"]["pid"])
    victims = [leader] if leader in first else []
    victims += sorted(first - {leader})
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        settled(server, asked)
        more, _ = served_by_both(server)
        asked += more
        settled(server, asked)


def test_levels_reach_every_worker_and_outlive_the_leader(start: Start) -> None:
    """PUT /loggers/shop: both workers log DEBUG, also after the one that was asked has died."""
    server = begin(start, "uvicorn")
    _, pids = served_by_both(server)
    leader = int(server.probe("/readyz?verbose")[1]["details"]["pid"])
    assert leader in pids
    assert put(server, "/loggers/shop", {"level": "debug", "for": "10m"}) == 200
    eventually(lambda: all_log_debug(server), f"both log DEBUG: {server.log}")
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: put(server, "/loggers/x", {"level": None}) == 200, "the next leader")
    eventually(lambda: all_log_debug(server), f"both log DEBUG: {server.log}")
    assert put(server, "/loggers/shop", {"level": None}) == 200
    eventually(lambda: "log level of shop is as configured again" in server.log, "its end")
    eventually(lambda: none_logs_debug(server), f"neither logs DEBUG: {server.log}")


def all_log_debug(server: Server) -> bool:
    """Ask both workers, a new one too, and say whether each of their answers has its detail."""
    asked, detailed = asked_and_detailed(server)
    return detailed == asked


def none_logs_debug(server: Server) -> bool:
    """Ask both workers, and say whether no answer has its detail."""
    return asked_and_detailed(server)[1] == 0


def asked_and_detailed(server: Server) -> tuple[int, int]:
    """Ask both workers; return how many requests that took, and the details logged with them."""
    before, answered = details(server), accesses(server)
    asked, _ = served_by_both(server)
    eventually(lambda: accesses(server) == answered + asked, "the lines of the answers")
    return asked, details(server) - before


def accesses(server: Server) -> int:
    """Return how many requests of the app are in the log."""
    return sum("httpRequest" in line for line in lines(server))


def details(server: Server) -> int:
    """Return how many DEBUG lines the app has written."""
    return sum(line["message"] == "detail" for line in lines(server))


def test_sigusr1_means_debug_where_the_server_has_no_use_for_it(start: Start) -> None:
    """kill -USR1 of a uvicorn worker, which would die of it otherwise."""
    server = begin(start, "uvicorn")
    _, pids = served_by_both(server)
    os.kill(min(pids), signal.SIGUSR1)
    eventually(lambda: "log level of root is DEBUG for 10m" in server.log, "the change")
    eventually(lambda: all_log_debug(server), f"both log DEBUG: {server.log}")


def test_what_only_callers_inside_the_pod_may_see(start: Start) -> None:
    """The pages of `podready run`, by the same rules."""
    server = begin(start, "uvicorn", PODREADY_ADMIN_TOKEN="s3cret-s3cret-s3cret")
    for path in ("/tasks", "/info", "/config", "/loggers"):
        status, _, body = server.get(path, server.admin) or (0, {}, b"")
        assert (status, b"s3cret" in body) == (200, False), path
    info = server.get("/info", server.admin)
    assert info is not None
    assert json.loads(info[2])["engine"] == "uvicorn"


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn gthread"])
def test_the_apps_own_metrics_are_on_the_page(start: Start, name: str) -> None:
    """An app that uses prometheus_client: each worker's registry follows, told apart by a label."""
    server = begin(start, name, TEST_REGISTRY="1")
    asked, _ = served_by_both(server)
    eventually(lambda: total(scrape(server), "shop_orders_total") == asked, f"all: {server.log}")
    found = scrape(server)
    series = [dict(has) for name, has in found if name == "shop_orders_total"]
    workers = {labels.get("podready_worker") for labels in series}
    assert workers == {"0", "1"}


def test_the_drain_in_numbers(start: Start) -> None:
    """A request after SIGTERM is on the last scrape."""
    server = begin(start, "gunicorn gthread", PODREADY_DRAIN_DELAY="60s")
    served_by_both(server)
    server.terminate()
    server.draining()
    late = "podready_drain_last_new_request_seconds"

    def told() -> bool:
        server.get("/users/1")
        return total(scrape(server), late) > 0

    eventually(told, f"a late request: {server.log}")
    assert total(scrape(server), "podready_state", state="draining") == 1


def test_first_requests_on_many_threads_begin_one_follower(start: Start) -> None:
    """A worker that was forked after the import hears of itself only when it is called."""
    server = start((*GUNICORN, "--threads", "8", "--preload", "wsgi:wsgi"), SOURCE)
    eventually(lambda: server.probe("/readyz")[0] == 200, f"ready: {server.log}")
    clients = [threading.Thread(target=server.get, args=("/users/1",)) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(20)
    samples = settled(server, 8)
    processes = [dict(has) for name, has in samples if name == "process_open_fds"]
    assert {labels["worker"] for labels in processes} == {"0", "1"}  # the arbiter and its worker


def test_logs_false_leaves_the_log_alone(start: Start) -> None:
    """The server's own lines, access lines included, and none of ours."""
    source = SOURCE.replace("import podready\n", "import podready, functools\n", 1)
    source += "podready.wrap = functools.partial(podready.wrap, logs=False)\n"
    server = start(TWO["uvicorn"], source)
    eventually(lambda: server.probe("/readyz")[0] == 200, f"ready: {server.log}")
    asked, _ = served_by_both(server)
    settled(server, asked)
    eventually(lambda: server.log.count('"GET /users/1 HTTP/1.1" 200') == asked, server.log)
    assert lines(server) == []


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn gthread"])
def test_spans_reach_a_collector_before_the_server_ends(
    start: Start, collector: Collector, name: str
) -> None:
    """One span for each request, the last ones flushed at the end of the drain."""
    server = begin(
        start,
        name,
        PODREADY_DRAIN_DELAY="100ms",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_TRACES_SAMPLER="always_on",
        OTEL_BSP_SCHEDULE_DELAY="600000",
    )
    asked, _ = served_by_both(server)
    server.terminate()
    server.end()
    route = "/users/<number>" if "wsgi:wsgi" in TWO[name] else "/users/{number}"
    assert len(collector.named(f"GET {route}")) == asked
    ids = {span.trace_id.hex() for span in collector.named(f"GET {route}")}
    assert ids == {line["trace_id"] for line in lines(server) if line["message"] == "user"}
