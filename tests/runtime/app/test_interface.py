"""Which interface an app has is judged without calling it, and what is no app is refused."""

from __future__ import annotations

import functools
import io
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any

import fastapi
import flask
import litestar
import pytest
import quart
import starlette.applications
import starlette.endpoints
import wrapt
from asgiref.wsgi import WsgiToAsgi
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request, Response

from podready.errors import StartupError
from podready.runtime.app.interface import Interface, interface_of

DJANGO_ASGI: Any = import_module("django.core.handlers.asgi").ASGIHandler
DJANGO_WSGI: Any = import_module("django.core.handlers.wsgi").WSGIHandler


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Be an ASGI app."""


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """Be a WSGI app."""
    return []


def plain_asgi(scope: Any, receive: Any, send: Any) -> Any:
    """Be an ASGI app that is no coroutine function."""
    return asgi(scope, receive, send)


def streaming_wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
    """Be a WSGI app that is a generator function."""
    yield b""


def loose(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as most decorators do: with `*args`, and with the name of the function."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def endless(*args: Any) -> Any:
    """Say nothing of what it takes."""


class Instances:
    """Apps in the shape of methods."""

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """Be an ASGI app as a bound method."""

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        """Be a WSGI app as a bound method."""
        return []

    @staticmethod
    async def fixed(scope: Any, receive: Any, send: Any) -> None:
        """Be an ASGI app as a static method."""


class AsgiInstance:
    """An app whose `__call__` is a coroutine function."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve nothing."""


class WsgiInstance:
    """An app whose `__call__` is a plain function."""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Serve nothing."""
        return []


class SlotInstance:
    """An app that keeps its `__call__` in a slot, as older Sentry middleware does."""

    __slots__ = ("__call__",)

    def __init__(self, call: Any) -> None:
        self.__call__ = call


class AsgiClass:
    """A class as an ASGI app: the server awaits its instances."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take one request."""

    def __await__(self) -> Iterator[None]:
        yield


class WsgiClass:
    """A class as a WSGI app: the server iterates over its instances (PEP 3333)."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        """Take one request."""

    def __iter__(self) -> Iterator[bytes]:
        yield b""


class DoubleCallable:
    """An ASGI 2 app: called twice for each request."""

    def __init__(self, scope: Any) -> None:
        """Take the scope."""

    async def __call__(self, receive: Any, send: Any) -> None:
        """Serve nothing."""


class OneArgument:
    """An object that is called with one argument."""

    def __call__(self, request: Any) -> Any:
        """Answer nothing."""


class NotCallable:
    """An object that only looks callable."""

    __call__ = None


def create_app() -> Any:
    """Make an app."""
    return asgi


def create_app_with_options(debug: bool = False, name: str = "x", size: int = 1) -> Any:
    """Make an app, with as many optional arguments as ASGI has."""
    return asgi


async def create_async() -> Any:
    """Make an app asynchronously."""
    return asgi


async def async_with_options(a: int = 1, b: int = 2, c: int = 3) -> Any:
    """Make an app asynchronously, with as many optional arguments as ASGI has."""
    return asgi


def one(scope: Any) -> Any:
    """Take one argument."""


async def async_two(environ: Any, start_response: Any) -> None:
    """Take two arguments."""


def one_to_two(config: Any, debug: bool = False) -> Any:
    """Take one argument or two."""


def five(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Take five arguments."""


def with_keyword(scope: Any, receive: Any, send: Any, *, database: Any) -> Any:
    """Need what no server passes."""


async def async_generator(scope: Any, receive: Any, send: Any) -> AsyncIterator[bytes]:
    """Yield asynchronously, which no server reads."""
    yield b""


def three_generator(scope: Any, receive: Any, send: Any) -> Iterator[bytes]:
    """Yield for three arguments."""
    yield b""


def factory_generator() -> Iterator[Any]:
    """Yield an app, as a fixture would."""
    yield asgi


@Request.application
def werkzeug_app(request: Request) -> Response:
    """Be a WSGI app in Werkzeug's own decorator, which takes `*args`."""
    return Response("hello")


@wrapt.decorator
def traced(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Decorate as instrumentation does."""
    return wrapped(*args, **kwargs)


ASGI_APPS = {
    "function": asgi,
    "plain function": plain_asgi,
    "lambda": lambda scope, receive, send: asgi(scope, receive, None),
    "optional fourth": lambda scope, receive, send, extra=None: asgi(scope, receive, send),
    "bound method": Instances().asgi,
    "static method": Instances().fixed,
    "instance": AsgiInstance(),
    "bound __call__": AsgiInstance().__call__,
    "slot": SlotInstance(asgi),
    "class": AsgiClass,
    "partial": functools.partial(lambda config, scope, receive, send: None, 1),
    "partial of an instance": functools.partial(AsgiInstance()),
    "decorated": loose(asgi),
    "decorated twice": loose(loose(asgi)),
    "wrapt": traced(asgi),
    "Starlette": starlette.applications.Starlette(),
    "FastAPI": fastapi.FastAPI(),
    "Quart": quart.Quart("x"),
    "Litestar": litestar.Litestar(),
    "Django": DJANGO_ASGI.__call__.__get__(object()),
    "endpoint class": starlette.endpoints.HTTPEndpoint,
    "WsgiToAsgi": WsgiToAsgi(wsgi),  # type: ignore[no-untyped-call]
}
WSGI_APPS = {
    "function": wsgi,
    "generator function": streaming_wsgi,
    "lambda": lambda environ, start_response: [],
    "bound method": Instances().wsgi,
    "instance": WsgiInstance(),
    "slot": SlotInstance(wsgi),
    "class": WsgiClass,
    "partial": functools.partial(lambda config, environ, start_response: [], 1),
    "decorated": loose(wsgi),
    "endless after two": lambda environ, start_response, *more: [],
    "wrapt": traced(wsgi),
    "Flask": flask.Flask("x"),
    "ProxyFix": ProxyFix(wsgi),
    "Django": DJANGO_WSGI.__call__.__get__(object()),
}
FACTORIES = {
    "function": create_app,
    "options": create_app_with_options,
    "lambda": lambda: asgi,
    "decorated": loose(create_app),
    "partial of a class": functools.partial(flask.Flask, "x"),
}
NO_APPS = {
    "number": (7, "is an int, not an ASGI or WSGI app"),
    "None": (None, "is None, not an ASGI or WSGI app"),
    "dict": ({}, "is a dict, not an ASGI or WSGI app"),
    "Flask class": (flask.Flask, "is the class Flask, not an app: name an instance"),
    "FastAPI class": (fastapi.FastAPI, "is the class FastAPI, not an app"),
    "Django class": (DJANGO_WSGI, "is the class WSGIHandler"),
    "ASGI 2 class": (DoubleCallable, "is an ASGI 2 app, and podready speaks ASGI 3: wrap it"),
    "ASGI 2 function": (one, "takes 1 argument, as ASGI 2 apps"),
    "async factory": (create_async, "is an async factory"),
    "async factory with options": (async_with_options, "is an async factory"),
    "async, two": (async_two, "is a coroutine function that takes 2 arguments"),
    "factory with a setting": (one_to_two, "takes 1 to 2 arguments, so it is no app"),
    "five": (five, "takes 5 arguments, so it is no app: an ASGI app takes three"),
    "keyword": (with_keyword, "needs the keyword argument 'database'"),
    "async generator": (async_generator, "is an async generator function"),
    "generator of three": (three_generator, "is a generator function"),
    "factory generator": (factory_generator, "is a generator function"),
    "endless": (endless, "do not say whether it is an ASGI or a WSGI app: add --interface asgi"),
    "werkzeug": (werkzeug_app, "do not say whether it is an ASGI or a WSGI app"),
    "builtin": (max, "do not say whether"),
    "builtin of one": (len, "takes 1 argument"),
    "instance of one": (OneArgument(), "takes 1 argument"),
    "broken instance": (NotCallable(), "do not say whether"),
    "method of C": (io.BytesIO().write, "takes 1 argument"),
}


@pytest.mark.parametrize("app", ASGI_APPS.values(), ids=ASGI_APPS)
def test_asgi_apps(app: Any) -> None:
    """Three arguments, in every form that a callable can have."""
    assert interface_of(app, "main:app") is Interface.ASGI
    assert interface_of(app, "main:app", "asgi") is Interface.ASGI


@pytest.mark.parametrize("app", WSGI_APPS.values(), ids=WSGI_APPS)
def test_wsgi_apps(app: Any) -> None:
    """Two arguments, in every form that a callable can have."""
    assert interface_of(app, "main:app") is Interface.WSGI
    assert interface_of(app, "main:app", "wsgi") is Interface.WSGI


@pytest.mark.parametrize("app", FACTORIES.values(), ids=FACTORIES)
def test_factories(app: Any) -> None:
    """No argument that is needed."""
    assert interface_of(app, "main:app") is Interface.FACTORY


@pytest.mark.parametrize(("app", "sentence"), NO_APPS.values(), ids=NO_APPS)
def test_what_is_no_app(app: Any, sentence: str) -> None:
    """One sentence says what it is instead."""
    with pytest.raises(StartupError) as error:
        interface_of(app, "main:app")
    assert sentence in str(error.value)
    assert "main:app" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("app", [endless, werkzeug_app, max])
def test_the_user_decides_where_parameters_do_not(app: Any) -> None:
    """--interface is believed when nothing speaks against it."""
    assert interface_of(app, "main:app", "wsgi") is Interface.WSGI
    assert interface_of(app, "main:app", "asgi") is Interface.ASGI


@pytest.mark.parametrize(
    ("app", "wanted", "sentence"),
    [
        (asgi, "wsgi", "is a coroutine function, so it is no WSGI app"),
        (wsgi, "asgi", "takes 2 arguments, so it is no ASGI app"),
        (plain_asgi, "wsgi", "takes 3 arguments, so it is no WSGI app"),
        (create_async, "asgi", "is an async factory"),
    ],
)
def test_the_user_cannot_decide_against_the_parameters(
    app: Any, wanted: str, sentence: str
) -> None:
    """--interface does not make an app callable."""
    with pytest.raises(StartupError, match=sentence):
        interface_of(app, "main:app", wanted)


def test_nothing_is_called() -> None:
    """Neither the app nor its factory runs while it is judged."""
    calls = []

    def create() -> None:
        calls.append("factory")

    class App:
        def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            calls.append("app")

    interface_of(create, "main:create")
    interface_of(App(), "main:app")
    with pytest.raises(StartupError):
        interface_of(App, "main:App")
    assert not calls
