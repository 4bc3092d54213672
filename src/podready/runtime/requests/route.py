"""The route template that served a request: `/users/{id}`, never `/users/42`.

Each framework keeps it in a place of its own, once it has routed the request:

    Starlette, FastAPI   scope["route"], older ones only scope["endpoint"]; `watch_mounts`
    Litestar             scope["path_template"]
    Flask                environ["werkzeug.request"].url_rule
    Django               resolver_match of the request, see `watch_django`
    Bottle               environ["bottle.route"]

Without any of them the route is "", as it is for a path that is not served.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.app.call_failures import call_site
from podready.runtime.requests.inflight import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podready.runtime.asgi_types import Scope
    from podready.runtime.requests.inflight import InFlightItem

    WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


_known: dict[int, tuple[Any, str]] = {}
"""Templates by the id of the object that has them, kept so that its id stays its own."""

_ENVIRON: Final = "podready.environ"
"""Key in the scope of a WSGI request."""

_MAX_KNOWN: Final = 4096
"""An app that makes routes without end must not fill the memory."""


def route_in(scope: Scope) -> str:
    """Return the route template of a request that has been routed, or "".

    The template of a route outside of mounts does not change, so it is computed once.
    """
    route = scope.get("route")
    source = route
    if "fastapi" in scope:
        source = scope["fastapi"].get("effective_route_context") or route
    known = _known.get(id(source))
    mounted = scope.get("root_path") != scope.get("app_root_path")
    if known is not None and known[0] is source and not mounted:
        return known[1]
    return _template(scope, route, source)


def _template(scope: Scope, route: Any, source: Any) -> str:
    template = scope.get("path_template")
    if template is not None:
        return str(template)
    if route is None and "endpoint" not in scope:
        return ""
    own = _own_template(scope, route)
    if scope.get("root_path") != scope.get("app_root_path"):
        return _mounted(scope, own) if "app_root_path" in scope else own
    if route is not None and len(_known) < _MAX_KNOWN:
        _known[id(source)] = (source, own)
    return own


def _own_template(scope: Scope, route: Any) -> str:
    """Return the template of the innermost route, without the mounts around it."""
    if route is None:
        return _by_endpoint(scope.get("router"), scope.get("endpoint"))
    if hasattr(route, "routes"):  # a Mount: its own path is part of root_path already
        return ""
    return _included(scope, route) or getattr(route, "path_format", None) or _path(route)


def _path(route: Any) -> str:
    return str(getattr(route, "path", ""))


def _included(scope: Scope, route: Any) -> str:
    """Return the path with its routers' prefixes, which FastAPI keeps apart since 0.15x."""
    inner = scope.get("fastapi")
    context = inner.get("effective_route_context") if isinstance(inner, dict) else None
    if context is None or getattr(context, "original_route", None) is not route:
        return ""
    return str(getattr(context, "path_format", ""))


def _mounted(scope: Scope, own: str) -> str:
    """Return the template with its mounts' templates before it.

    Starlette keeps the mounts' concrete path, so `watch_mounts` notes their templates. For
    other kinds of mounts, each segment that equals a path parameter which the route itself
    does not have is turned back into that parameter. When one cannot be found again, the mounts
    are left out: a route label must never hold what a client chose.
    """
    noted = scope.get(_MOUNTS)
    if noted is not None:
        return f"{noted}{own}"
    prefix = scope.get("root_path", "")[len(scope["app_root_path"]) :]
    segments = prefix.split("/")
    for name, value in scope.get("path_params", {}).items():
        if f"{{{name}}}" in own:
            continue
        if str(value) not in segments:
            return own
        last = len(segments) - 1 - segments[::-1].index(str(value))
        segments[last] = f"{{{name}}}"
    return "/".join(segments) + own


_endpoints: dict[int, tuple[Any, dict[Any, str]]] = {}
"""Templates by endpoint, for each router (kept, so that its id stays its own)."""


def _by_endpoint(router: Any, endpoint: Any) -> str:
    if router is None or endpoint is None:
        return ""
    if id(router) not in _endpoints:
        _endpoints[id(router)] = (router, dict(_templates(getattr(router, "routes", ()), 0)))
    try:
        return _endpoints[id(router)][1].get(endpoint, "")
    except TypeError:  # an endpoint that has no hash
        return ""


def _templates(routes: Iterable[Any], depth: int) -> Iterable[tuple[Any, str]]:
    for route in routes:
        if depth < 8 and hasattr(route, "routes"):
            yield from _templates(route.routes or (), depth + 1)
        elif getattr(route, "endpoint", None) is not None:
            try:
                hash(route.endpoint)
            except TypeError:
                continue
            yield route.endpoint, getattr(route, "path_format", None) or _path(route)


def route_of(item: InFlightItem) -> str:
    """Return the route template of an item that is in flight or has ended, or "".

    A request that no framework has routed yet has none, nor has an item that is no request.
    """
    scope = item.scope
    if item.route or scope is None:
        return item.route
    environ = scope.get(_ENVIRON)
    return route_in(scope) if environ is None else _rule(environ)


def watch_wsgi(app: WsgiApp) -> WsgiApp:
    """Return `app` with a wrapper that notes the route when the app begins to answer.

    Not later: Flask takes its request out of `environ` when it returns. Until then `route_of`
    reads the environ, which the scope holds for it.
    """

    @call_site
    def watched(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        item = CURRENT.get()
        if item is None or item.scope is None:
            return app(environ, start_response)
        item.scope[_ENVIRON] = environ

        def start(*head: Any) -> Any:
            item.route = item.route or _rule(environ)
            return start_response(*head)

        return app(environ, start)

    return watched


def _rule(environ: Mapping[str, Any]) -> str:
    """Return the rule that Flask (werkzeug) or Bottle has chosen, or ""."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    rule = rule if rule is not None else environ.get("bottle.route")
    return "" if rule is None else str(getattr(rule, "rule", ""))


def watch_frameworks() -> None:
    """Patch the frameworks that do not publish their routes; may be called again."""
    watch_django()
    watch_mounts()


_MOUNTS: Final = "podready.mounts"


def watch_mounts() -> None:
    """Note the template of each Starlette mount that a request goes through, FastAPI's too."""
    routing = sys.modules.get("starlette.routing")
    mount = getattr(routing, "Mount", None)
    handle = getattr(mount, "handle", None)
    if mount is None or handle is None or hasattr(handle, "__wrapped__"):
        return

    @wraps(handle)
    async def noting(self: Any, scope: Scope, receive: Any, send: Any) -> None:
        template = str(getattr(self, "path_format", "")).removesuffix("/{path}")
        scope[_MOUNTS] = f"{scope.get(_MOUNTS, '')}{template}"
        await handle(self, scope, receive, send)

    mount.handle = noting


def watch_django() -> None:
    """Note the route of each request to Django, when the app has imported it.

    Django passes it to its own middleware only, so its `resolve_request` is wrapped, which it
    calls once for each request. Without Django this does nothing.
    """
    base = sys.modules.get("django.core.handlers.base")
    handler = getattr(base, "BaseHandler", None)
    resolve = getattr(handler, "resolve_request", None)
    if handler is None or resolve is None or hasattr(resolve, "__wrapped__"):
        return
    handler.resolve_request = _noting(resolve)


def _noting(resolve: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @wraps(resolve)
    def resolve_request(handler: Any, request: Any) -> Any:
        match = resolve(handler, request)
        item = CURRENT.get()
        if item is not None:
            route = str(getattr(match, "route", ""))
            item.route = route if route.startswith(("/", "^")) else f"/{route}"
        return match

    return resolve_request
