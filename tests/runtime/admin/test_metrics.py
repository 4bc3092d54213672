"""/metrics of real pods, scraped over HTTP and read by prometheus_client's parsers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain
from tests.runtime.conftest import Pod, StartPod, eventually

from podready.runtime.metrics.families import FAMILIES

pytestmark = pytest.mark.slow

APP = """
    import asyncio, os, time
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    import podready

    async def user(request):
        return PlainTextResponse(str(os.getpid()))

    async def block(request):
        time.sleep(2.5)
        return PlainTextResponse("blocked")

    async def slow(request):
        await asyncio.sleep(float(request.path_params["seconds"]))
        return PlainTextResponse("slow")

    @podready.check("database", critical=True)
    def database():
        pass

    @podready.on_shutdown("linger")  # after the next one, which is then on the page for a while
    def linger():
        time.sleep(0.5)

    @podready.on_shutdown("close pool")
    def close():
        time.sleep(0.2)

    app = Starlette(routes=[
        Route("/users/{id}", user), Route("/block", block), Route("/slow/{seconds:float}", slow)
    ])
"""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(pod: Pod, *, openmetrics: bool = False) -> Samples:
    """Return every sample of the page, by name and labels."""
    accept = "application/openmetrics-text" if openmetrics else "text/plain"
    status, headers, body = pod.get("/metrics", port=pod.admin, headers={"accept": accept})
    assert status == 200
    assert headers["content-type"].startswith(accept)
    read = read_openmetrics if openmetrics else read_plain
    samples: Samples = {}
    for family in read(body.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of all samples of that name with these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in samples.items() if found == name and wanted <= has)


COUNT = "http_server_request_duration_seconds_count"
ACTIVE = "http_server_active_requests"


def settled(pod: Pod, *, openmetrics: bool = False) -> Samples:
    """Return the samples once nothing is under way: a client has its answer a moment earlier."""
    found: list[Samples] = []

    def at_rest() -> bool:
        found.append(scrape(pod, openmetrics=openmetrics))
        return total(found[-1], ACTIVE) == 0

    eventually(at_rest, "no request under way")
    return found[-1]


@pytest.fixture
def pod(start_pod: StartPod) -> Pod:
    """A pod with two workers, ready."""
    return start_pod(APP, "--workers", "2").ready()


def test_one_page_for_two_workers(pod: Pod) -> None:
    """Requests that two workers served are one count, by route, status and method."""
    served = {pod.get(f"/users/{number}")[2] for number in range(40)}
    pod.get("/none")
    pod.get("/users/1", method="POST")
    samples = settled(pod)
    assert len(served) == 2  # or there was nothing to add up
    ok = {"http_request_method": "GET", "http_response_status_code": "200", "url_scheme": "http"}
    assert total(samples, COUNT, http_route="/users/{id}", **ok) == 40
    assert total(samples, COUNT, http_route="", http_response_status_code="404") == 1
    assert total(samples, COUNT, http_response_status_code="405", http_request_method="POST") == 1
    assert total(samples, COUNT) == 42
    assert total(samples, "podready_state", state="ready") == total(samples, "podready_state") == 1
    assert total(samples, "podready_ready") == 1
    assert total(samples, "podready_workers") == 2
    assert total(samples, "podready_check_status", check="database", critical="true") == 1
    assert total(samples, ACTIVE) == 0
    assert total(samples, "podready_budget_seconds", part="grace") == 10
    workers = {dict(has)["worker"] for name, has in samples if name == "process_open_fds"}
    assert workers == {"supervisor", "0", "1"}
    exits = {dict(has)["how"]: value for (name, has), value in samples.items() if "exits" in name}
    assert exits == {"0": 0, "1": 0, "SIGKILL": 0}
    assert total(samples, "process_resident_memory_bytes", worker="0") > 1e6


def test_openmetrics_for_those_who_ask(pod: Pod) -> None:
    """The same page as OpenMetrics, with the trace of a sampled request behind its bucket."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    pod.get("/users/1", headers={"traceparent": traceparent})
    assert total(settled(pod, openmetrics=True), COUNT) == 1
    _, _, body = pod.get(
        "/metrics", port=pod.admin, headers={"accept": "application/openmetrics-text"}
    )
    exemplars = [
        sample.exemplar
        for family in read_openmetrics(body.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    ]
    (exemplar,) = exemplars
    line = pod.line("GET /users/1 200")
    assert line["trace_id"] == traceparent[3:35]
    assert exemplar.labels == {"trace_id": line["trace_id"], "span_id": line["span_id"]}


def test_a_killed_worker_takes_no_count_with_it(pod: Pod) -> None:
    """kill -9 of a worker: what it served stays counted, its successor counts on."""
    for number in range(20):
        pod.get(f"/users/{number}")
    settled(pod)
    victim = pod.workers()[0]["pid"]
    os.kill(victim, signal.SIGKILL)
    eventually(
        lambda: (
            victim not in {each["pid"] for each in pod.workers()}
            and total(scrape(pod), "podready_workers") == 2
        ),
        "a new worker",
    )
    before = total(scrape(pod), COUNT)
    assert before == 20
    pod.get("/users/21")
    samples = settled(pod)
    assert total(samples, COUNT) == 21
    assert total(samples, "podready_worker_exits_total", how="SIGKILL") == 1
    workers = {dict(has)["worker"] for name, has in samples if name == "process_open_fds"}
    assert workers == {"supervisor", "0", "1"}  # the number is given again, so series do not grow


def test_a_blocked_worker_is_still_on_the_page(start_pod: StartPod) -> None:
    """The only event loop stands still for 2.5 s: the page answers meanwhile, and shows it."""
    pod = start_pod(APP).ready()
    pod.get("/users/1")
    settled(pod)
    blocked = threading.Thread(target=pod.get, args=("/block",))
    blocked.start()
    try:
        eventually(lambda: total(scrape(pod), ACTIVE) == 1, "the request")
        assert total(scrape(pod), COUNT) == 1
        assert blocked.is_alive()
        name = "podready_event_loop_stalls_total"
        eventually(lambda: total(scrape(pod), name) == 1, "the stall counted by its thread")
        assert blocked.is_alive()
    finally:
        blocked.join(10)
    late = "podready_event_loop_lag_seconds_sum"
    eventually(lambda: total(scrape(pod), late) > 1, "the lag in its histogram")


def test_the_drain_in_numbers(start_pod: StartPod) -> None:
    """A request that comes after SIGTERM, one that is cut, a hook: all on the last scrape."""
    pod = start_pod(APP, "--grace-period", "5s", "--drain-delay", "1s", "--hook-time", "2s").ready()
    assert total(scrape(pod), "podready_drain_seconds") == 0
    stuck = threading.Thread(target=lambda: _quietly(lambda: pod.get("/slow/30")))
    stuck.start()
    eventually(lambda: total(scrape(pod), ACTIVE) == 1, "the request")
    pod.send(signal.SIGTERM)
    pod.phase("draining")
    pod.get("/users/1")
    last: Samples = {}

    def hook_ran() -> bool:
        nonlocal last
        try:
            last = scrape(pod)
        except OSError:
            return True
        return total(last, "podready_hook_seconds", hook="close pool") > 0

    eventually(hook_ran, "the hook's time on the page")
    stuck.join(10)
    assert pod.end() == 0
    assert total(last, "podready_state", state="closing") == 1
    assert total(last, "podready_ready") == 0
    assert total(last, "podready_drain_seconds") > 1
    assert 0 < total(last, "podready_drain_last_new_request_seconds") < 1
    assert total(last, "podready_cancelled_total") == 1
    assert total(last, "podready_hook_seconds", hook="close pool") >= 0.2
    end = pod.line("stopped after")
    assert end["seconds"] > 1
    assert 0 < end["last_new_request"] < 1
    assert end["hooks"]["close pool"] >= 0.2


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except OSError:
        pass


def test_shed_requests_are_counted_twice_over(start_pod: StartPod) -> None:
    """Over --max-concurrency: a 503 in the histogram, and in the counter that says why."""
    pod = start_pod(APP, "--max-concurrency", "1").ready()
    busy = threading.Thread(target=pod.get, args=("/slow/1",))
    busy.start()
    eventually(lambda: total(scrape(pod), ACTIVE) == 1, "the request")
    assert pod.get("/users/1")[0] == 503
    busy.join(10)
    samples = settled(pod)
    assert total(samples, "podready_shed_total") == 1
    assert total(samples, COUNT, http_response_status_code="503") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_apps_own_metrics_are_on_the_page(
    start_pod: StartPod, workers: str, openmetrics: bool
) -> None:
    """An app that uses prometheus_client: its registry follows, told apart by worker if need be."""
    app = """
        from prometheus_client import Counter
        orders = Counter("shop_orders", "Orders taken.", ["kind"])

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            orders.labels("book").inc()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
    """
    pod = start_pod(app, "--workers", workers).ready()
    for _ in range(5):
        pod.get("/")

    def told() -> bool:
        samples = scrape(pod, openmetrics=openmetrics)
        return total(samples, "shop_orders_total", kind="book") == 5

    eventually(told, "the app's counter on the page")
    samples = settled(pod, openmetrics=openmetrics)
    labelled = any("podready_worker" in dict(has) for _, has in samples)
    assert labelled == (workers == "2")
    assert total(samples, COUNT) == 5


def test_an_app_whose_registry_hangs_does_not_hold_the_page(start_pod: StartPod) -> None:
    """A collector of the app's that never returns: the page comes without it, again and again."""
    app = """
        import time
        from prometheus_client import REGISTRY

        class Hanging:
            def collect(self):
                time.sleep(3600)

            def describe(self):
                return []

        REGISTRY.register(Hanging())

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
    """
    pod = start_pod(app).ready()
    eventually(lambda: b"registry" in pod.get("/readyz?verbose", port=pod.admin)[2], "a heartbeat")
    for _ in range(3):
        assert total(scrape(pod), "podready_ready") == 1
    assert pod.stop() == 0


def test_wsgi_requests_are_counted_by_rule(start_pod: StartPod) -> None:
    """A Flask app: the rule is the route, also for what failed."""
    pytest.importorskip("flask")
    app = """
        from flask import Flask
        app = Flask("shop")

        @app.get("/users/<int:number>")
        def user(number):
            return {"number": 1 // number}
    """
    pod = start_pod(app).ready()
    for number in range(3):
        pod.get(f"/users/{number}")
    samples = settled(pod)
    route = "/users/<int:number>"
    assert total(samples, COUNT, http_route=route, http_response_status_code="200") == 2
    assert total(samples, COUNT, http_route=route, http_response_status_code="500") == 1


def test_probes_and_scrapes_are_not_counted(pod: Pod) -> None:
    """What the kubelet and Prometheus ask on the admin port is no traffic of the app's."""
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        pod.get(path, port=pod.admin)
    status, _, body = pod.get("/metrics", port=pod.admin, method="HEAD")
    assert (status, body) == (200, b"")
    assert total(scrape(pod), COUNT) == 0


def test_every_metric_of_a_quiet_pod_is_in_the_table(pod: Pod) -> None:
    """The page shows nothing that the table, and so the reference, does not have."""
    known = {family.name for family in FAMILIES}
    for name, _ in scrape(pod):
        assert name in known or name.rpartition("_")[0] in known, name
