"""The route template in each framework: never a path that a client chose."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from podready.runtime.app.call_failures import CallFailures
from podready.runtime.metrics.families import REQUEST_DURATION
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import MetricsSegment
from podready.runtime.process import Runtime
from podready.runtime.requests.inflight import InFlight
from podready.runtime.requests.instrumentation import Instrumentation
from podready.runtime.requests.middleware import Middleware, MiddlewareOptions
from podready.runtime.requests.route import route_of, watch_django, watch_mounts, watch_wsgi
from podready.runtime.requests.stack_location import item_facts
from podready.runtime.wsgi.bridge import WsgiBridge, wsgi_to_asgi

App = Callable[..., Awaitable[None]]


class Barrier:
    """Where a request waits while its route is looked up."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def wait(self) -> None:
        """Block the thread of a request."""
        self.entered.set()
        assert self.open.wait(20)


async def route_in_flight(app: Any, path: str, gate: Barrier) -> tuple[str, str]:
    """Send a GET; return the route in the stuck report while it waits, and after its end."""
    in_flight = InFlight()
    request = asyncio.ensure_future(_get(make_middleware(app, in_flight, MetricsSegment()), path))
    assert await asyncio.to_thread(gate.entered.wait, 20)
    (item,) = in_flight.items
    stuck = item_facts(item)
    gate.open.set()
    await request
    if isinstance(app, WsgiBridge):
        app.close()
    return stuck.get("route", ""), route_of(item)


async def routes_seen(app: Any, *paths: str) -> list[tuple[str, str]]:
    """Send a GET for each path through the middleware; return the routes and statuses counted."""
    segment = MetricsSegment()
    middleware = make_middleware(app, InFlight(), segment)
    for path in paths:
        await _get(middleware, path)
    cells = [cell for cell in segment.cells() if cell.family is REQUEST_DURATION]
    parts = [cell.labels.split('"') for cell in cells]
    return [(part[3], part[5]) for part in parts]


def make_middleware(app: Any, in_flight: InFlight, segment: MetricsSegment) -> Middleware:
    """Return the middleware as a worker makes it."""
    runtime = Runtime()
    return Middleware(
        app,
        in_flight,
        MiddlewareOptions(client_gone=lambda _send: False),
        counters=runtime.counters,
        shutdown=runtime.shutdown,
        call_failures=CallFailures(runtime.health),
        instrumentation=Instrumentation(HttpMetrics(segment)),
    )


async def _get(middleware: Middleware, path: str) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the client stays
        return messages.pop()

    async def send(_message: dict[str, Any]) -> None:
        return

    await middleware(scope, receive, send)


async def test_starlette_with_mounts_inside_mounts() -> None:
    """Routes, mounts with parameters of their own, an opaque app in a mount, and nothing at all."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def hello(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    inner = [Route("/c/{d}", hello), Mount("/files", app=PlainTextResponse("file"))]
    routes = [
        Route("/a/{b:int}", hello),
        Mount("/tenants/{tenant}", routes=inner),
        Mount("/static", app=PlainTextResponse("x")),
    ]
    paths = [
        "/a/1",
        "/a/2",
        "/tenants/7/c/8",
        "/tenants/c/c/c",
        "/tenants/7/files/deep/x.css",
        "/tenants/7/none",
        "/static/y.css",
        "/none",
        "/none/either",
    ]
    assert await routes_seen(Starlette(routes=routes), *paths) == [
        ("/a/{b}", "200"),
        ("/tenants/{tenant}/c/{d}", "200"),
        ("/tenants/{tenant}/files", "200"),
        ("/tenants/{tenant}", "404"),
        ("/static", "200"),
        ("", "404"),
    ]


async def test_older_starlette_tells_only_the_endpoint() -> None:
    """Before 1.0 there was no scope["route"]: the endpoint is looked up in the router's routes."""
    from starlette.routing import Mount, Route, Router

    async def hello(_request: Any) -> None:
        return

    router = Router([Route("/a/{b}", hello), Mount("/m", routes=[Route("/x/{y}", print)])])

    async def old(scope: Any, _receive: Any, send: Any) -> None:
        scope["router"] = router
        scope["endpoint"] = hello if scope["path"].startswith("/a") else print
        if scope["path"].startswith("/m"):
            scope["app_root_path"], scope["root_path"] = "", "/m"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    assert await routes_seen(old, "/a/1", "/m/x/2") == [("/a/{b}", "200"), ("/m/x/{y}", "200")]


async def test_a_parameter_that_changed_its_look_hides_the_mount() -> None:
    """/m/007 became 7: it cannot be found in the path again, so the mount is left out."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def hello(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Mount("/m/{n:int}", routes=[Route("/x", hello)])])
    seen = await routes_seen(app, *(f"/m/{'0' * zeros}7/x" for zeros in range(3)))
    assert seen == [("/m/{n}/x", "200"), ("/x", "200")]


@pytest.mark.slow
async def test_fastapi_with_included_routers_and_a_mounted_app() -> None:
    """The prefixes of routers are part of the template, also where FastAPI keeps them apart."""
    fastapi = pytest.importorskip("fastapi")
    app, shop, items, admin = (
        fastapi.FastAPI(),
        fastapi.APIRouter(prefix="/shops/{shop}"),
        fastapi.APIRouter(prefix="/items"),
        fastapi.FastAPI(),
    )

    async def one(number: int) -> int:
        return number

    items.add_api_route("/{number}", one)
    shop.include_router(items)
    app.include_router(shop)
    app.add_api_route("/plain/{number}", one)
    admin.add_api_route("/users/{number}", one)
    app.mount("/admin/{area}", admin)
    paths = ["/shops/a/items/1", "/shops/b/items/2", "/shops/a/items/x", "/plain/1"]
    paths += ["/admin/north/users/1", "/docs", "/none"]
    assert await routes_seen(app, *paths) == [
        ("/shops/{shop}/items/{number}", "200"),
        ("/shops/{shop}/items/{number}", "422"),
        ("/plain/{number}", "200"),
        ("/admin/{area}/users/{number}", "200"),
        ("/docs", "200"),
        ("", "404"),
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_litestar() -> None:
    """Litestar says it in scope["path_template"]."""
    litestar = pytest.importorskip("litestar")

    @litestar.get("/users/{number:int}")
    async def one(number: int) -> str:
        return str(number)

    app = litestar.Litestar([litestar.Router("/api", route_handlers=[one])], logging_config=None)
    seen = await routes_seen(app, "/api/users/1", "/api/users/2", "/none")
    assert seen == [("/api/users/{number}", "200"), ("", "404")]


@pytest.fixture
def bridge() -> Iterator[Callable[[Any], WsgiBridge]]:
    """Bridge a WSGI app; the threads, which end with their process otherwise, end here."""
    bridges: list[WsgiBridge] = []

    def make(app: Any) -> WsgiBridge:
        bridges.append(wsgi_to_asgi(app, 2))
        return bridges[-1]

    yield make
    for each in bridges:
        each.close()


@pytest.mark.slow
async def test_flask(bridge: Callable[[Any], WsgiBridge]) -> None:
    """Flask's rule is found in the WSGI environment, for blueprints too."""
    flask = pytest.importorskip("flask")
    app, blueprint = flask.Flask("shop"), flask.Blueprint("api", "api", url_prefix="/api")

    def one(number: int) -> str:
        if number == 3:
            raise ValueError(number)
        return str(number)

    app.add_url_rule("/users/<int:number>", view_func=one)
    blueprint.add_url_rule("/items/<int:number>", view_func=one)
    app.register_blueprint(blueprint)
    bridged = bridge(watch_wsgi(app))
    paths = ["/users/1", "/users/2", "/users/3", "/api/items/1", "/none"]
    assert await routes_seen(bridged, *paths) == [
        ("/users/<int:number>", "200"),
        ("/users/<int:number>", "500"),
        ("/api/items/<int:number>", "200"),
        ("", "404"),
    ]


@pytest.fixture
def django() -> Any:
    """Django, set up with two routes; its settings are the process's, so this happens once."""
    module = pytest.importorskip("django")
    settings = import_module("django.conf").settings
    urls = import_module("django.urls")
    answer = import_module("django.http").HttpResponse
    import_module("django.core.handlers.base")

    if not settings.configured:
        settings.configure(
            SECRET_KEY="k", ALLOWED_HOSTS=["*"], ROOT_URLCONF="shop_urls", LOGGING_CONFIG=None
        )
        module.setup()

    def one(_request: Any, number: str) -> Any:
        return answer(number)

    shop: Any = ModuleType("shop_urls")
    shop.urlpatterns = [
        urls.path("users/<int:number>/", one),
        urls.re_path(r"^old/(?P<number>\d+)$", one),
    ]
    sys.modules["shop_urls"] = shop
    watch_django()
    watch_django()  # twice is no harm
    yield module
    del sys.modules["shop_urls"]


@pytest.mark.slow
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
async def test_django(django: Any, interface: str, bridge: Callable[[Any], WsgiBridge]) -> None:
    """Django's resolver says it, over ASGI and over WSGI."""
    if interface == "asgi":
        app = import_module("django.core.asgi").get_asgi_application()
    else:
        app = import_module("django.core.wsgi").get_wsgi_application()
        app = bridge(watch_wsgi(app))
    paths = ["/users/1/", "/users/2/", "/old/3", "/none"]
    assert await routes_seen(app, *paths) == [
        ("/users/<int:number>/", "200"),
        (r"^old/(?P<number>\\d+)$", "200"),
        ("", "404"),
    ]


async def test_an_app_without_routes() -> None:
    """A bare ASGI app has none, whatever it is asked for."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert await routes_seen(app, "/a", "/b", "/c") == [("", "204")]


@pytest.fixture
def noted_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note mounts as a worker does, for this test only."""
    routing = pytest.importorskip("starlette.routing")
    monkeypatch.setattr(routing.Mount, "handle", routing.Mount.handle)
    watch_mounts()
    watch_mounts()  # twice is no harm


@pytest.mark.usefixtures("noted_mounts")
async def test_a_mount_and_its_route_may_call_a_parameter_the_same() -> None:
    """The inner value hides the mount's, which then stands in the path as the client chose it."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def ok(_request: Any) -> Any:
        return PlainTextResponse("ok")

    inner = Starlette(
        routes=[Route("/f/{x}", ok), Mount("/deep/{x:int}", routes=[Route("/{x}", ok)])]
    )
    app = Starlette(
        routes=[
            Mount("/{id}/sub", routes=[Route("/items/{id}", ok)]),
            Mount("/static", routes=[Route("/items/{id}", ok)]),
            Mount("/app/{x}", app=inner),
        ]
    )
    paths = ["/c0/sub/items/7", "/c1/sub/items/8", "/static/items/9", "/app/a/f/b"]
    assert await routes_seen(app, *paths, "/app/a/deep/7/c", "/app/b/deep/9/d") == [
        ("/{id}/sub/items/{id}", "200"),
        ("/static/items/{id}", "200"),
        ("/app/{x}/f/{x}", "200"),
        ("/app/{x}/deep/{x}/{x}", "200"),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("noted_mounts")
async def test_fastapi_in_a_mount_of_the_same_parameter() -> None:
    """One series, whatever the client writes."""
    fastapi = pytest.importorskip("fastapi")
    inner = fastapi.FastAPI()

    @inner.get("/f/{x}")
    async def f(x: str) -> str:
        return x

    outer = fastapi.FastAPI()
    outer.mount("/fa/{x}", inner)
    paths = [f"/fa/{number}/f/{number + 1}" for number in range(5)]
    assert await routes_seen(outer, *paths) == [("/fa/{x}/f/{x}", "200")]


def starlette_app(gate: Barrier) -> Any:
    """Return an app with a mount whose endpoint waits."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    def slow(_request: Any) -> Any:
        gate.wait()
        return PlainTextResponse("done")

    return Starlette(routes=[Mount("/tenants/{tenant}", routes=[Route("/c/{d}", slow)])])


def fastapi_app(gate: Barrier) -> Any:
    """Return an app with an included router whose endpoint waits."""
    fastapi = pytest.importorskip("fastapi")
    app, router = fastapi.FastAPI(), fastapi.APIRouter(prefix="/shops/{shop}")

    def slow(number: int) -> int:
        gate.wait()
        return number

    router.add_api_route("/items/{number}", slow)
    app.include_router(router)
    return app


def litestar_app(gate: Barrier) -> Any:
    """Return an app with a router whose handler waits."""
    litestar = pytest.importorskip("litestar")

    async def slow(number: int) -> str:
        await asyncio.to_thread(gate.wait)
        return str(number)

    handler = litestar.get("/users/{number:int}")(slow)
    return litestar.Litestar(
        [litestar.Router("/api", route_handlers=[handler])], logging_config=None
    )


def flask_app(gate: Barrier) -> Any:
    """Return an app whose view waits."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")

    def slow(number: int) -> str:
        gate.wait()
        return str(number)

    app.add_url_rule("/users/<int:number>", view_func=slow)
    return app


@pytest.mark.usefixtures("noted_mounts")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "path", "route"),
    [
        (starlette_app, "/tenants/7/c/8", "/tenants/{tenant}/c/{d}"),
        (fastapi_app, "/shops/a/items/1", "/shops/{shop}/items/{number}"),
        (litestar_app, "/api/users/1", "/api/users/{number}"),
        (flask_app, "/users/1", "/users/<int:number>"),
    ],
)
async def test_a_request_that_waits_has_its_route(
    make: Callable[[Barrier], Any], path: str, route: str, bridge: Callable[[Any], WsgiBridge]
) -> None:
    """The stuck report, /tasks and the drain's log name it as /metrics will."""
    gate = Barrier()
    app = make(gate)
    app = bridge(watch_wsgi(app)) if make is flask_app else app
    assert (await route_in_flight(app, path, gate))[0] == route


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
async def test_a_django_request_that_waits_has_its_route(
    django: Any, interface: str, bridge: Callable[[Any], WsgiBridge]
) -> None:
    """The resolver has run before the view does."""
    gate = Barrier()
    urls, answer = import_module("django.urls"), import_module("django.http").HttpResponse

    def slow(_request: Any, number: int) -> Any:
        gate.wait()
        return answer(str(number))

    sys.modules["shop_urls"].urlpatterns.append(urls.path(f"slow/{interface}/<int:number>/", slow))
    urls.clear_url_caches()
    made_by = import_module(f"django.core.{interface}")
    app = getattr(made_by, f"get_{interface}_application")()
    app = app if interface == "asgi" else bridge(watch_wsgi(app))
    route = f"/slow/{interface}/<int:number>/"
    assert await route_in_flight(app, f"/slow/{interface}/1/", gate) == (route, route)


async def test_a_request_that_is_not_routed_yet_has_none() -> None:
    """A bare app has no routes; a client's path is never taken for one."""
    gate = Barrier()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.to_thread(gate.wait)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert await route_in_flight(app, "/users/1", gate) == ("", "")
