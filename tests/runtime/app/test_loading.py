"""Loading the app: factories, misspelt targets, and apps that cannot be called as they say."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import StartPod, eventually

from podready.errors import StartupError, UsageError
from podready.runtime.app.interface import Interface
from podready.runtime.app.loading import LoadedApp, load_app

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
"""
FACTORY = (
    APP
    + """
def create_app(name="hello"):
    return app
"""
)
FLASK_FACTORY = """
import flask

def create_app():
    app = flask.Flask(__name__)
    app.get("/")(lambda: "hello")
    return app
"""
Load = Callable[..., LoadedApp]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Write a module called `shop` and load from it; nothing of it stays imported."""
    path, modules = sys.path.copy(), set(sys.modules)

    def write_and_load(source: str, target: str, **options: Any) -> LoadedApp:
        (tmp_path / "shop.py").write_text(textwrap.dedent(source))
        return load_app(target, str(tmp_path), **options)

    yield write_and_load
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in {"shop", "store"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "factory"),
    [
        ("shop:app", False),
        ("shop:create_app", False),
        ("shop:create_app()", False),
        ("shop:create_app", True),
        ("shop:create_app()", True),
        ("shop:Shop.create", False),
        ("shop:shop.made", True),
        ("shop:make", True),
    ],
)
def test_apps_and_factories(load: Load, target: str, factory: bool) -> None:
    """Each form gives the app, also one that is created by a method or a lambda."""
    source = (
        FACTORY
        + """
class Shop:
    @classmethod
    def create(cls):
        return app

    def made(self):
        return app

shop = Shop()
make = lambda *args: app
"""
    )
    loaded = load(source, target, factory=factory)
    assert loaded.interface is Interface.ASGI
    assert loaded.call.__name__ == "app"


def test_a_class_is_a_factory_only_on_demand(load: Load) -> None:
    """`shop:FastAPI` is a mistake, `shop:FastAPI()` is not."""
    source = "from fastapi import FastAPI\n"
    assert type(load(source, "shop:FastAPI()").call).__name__ == "FastAPI"
    with pytest.raises(StartupError, match="is the class FastAPI"):
        load(source, "shop:FastAPI")


BAD_FACTORIES = {
    "raises": ("raise ValueError('no key')", "calling shop:create_app() failed at"),
    "returns None": ("pass", "shop:create_app() returned None; a factory must return the app"),
    "returns text": ("return 'app'", "what shop:create_app() returned is a str, not an ASGI or"),
    "returns a class": ("import flask; return flask.Flask", "returned is the class Flask, not an"),
    "returns a factory": ("return create_app", "returned is a factory again"),
    "returns a coroutine": ("return later()", "shop:create_app is an async factory"),
}


@pytest.mark.parametrize(("body", "sentence"), BAD_FACTORIES.values(), ids=BAD_FACTORIES)
def test_bad_factories(load: Load, body: str, sentence: str) -> None:
    """A factory that fails is refused with one sentence."""
    source = f"async def later(): ...\ndef create_app():\n    {body}\n"
    with pytest.raises(StartupError) as error:
        load(source, "shop:create_app")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("shop:named", "shop:named needs the argument 'name', and podready calls a factory"),
        ("shop:app", "shop:app is an ASGI app, not a factory: leave out --factory and ()"),
        ("shop:number", "shop:number is of type int, which is not a factory"),
        ("shop:later", "shop:later is an async factory"),
    ],
)
def test_what_is_no_factory(load: Load, target: str, sentence: str) -> None:
    """--factory and parentheses do not make one."""
    source = APP + "number = 7\nasync def later(): ...\ndef named(name): ...\n"
    for named, factory in ((target, True), (f"{target}()", False)):
        with pytest.raises(StartupError) as error:
            load(source, named, factory=factory)
        assert str(error.value).startswith(sentence)


def test_the_place_of_a_factory_that_raises(load: Load, tmp_path: Path) -> None:
    """The sentence names file and line in the factory, and the traceback goes along."""
    with pytest.raises(StartupError) as error:
        load("def create_app():\n    return 1 / 0\n", "shop:create_app")
    assert f"{tmp_path / 'shop.py'}:2: ZeroDivisionError" in str(error.value)
    assert "Traceback" in getattr(error.value, "trace", "")


MISSPELT = {
    "no attribute": ("shop", "did you mean shop:app?"),
    "empty attribute": ("shop:", "did you mean shop:app?"),
    "file": ("shop.py", "did you mean shop:app?"),
    "file and attribute": ("shop.py:app", "did you mean shop:app?"),
    "this file": ("./shop.py:application", "did you mean shop:application?"),
    "dot for colon": ("shop.app", "did you mean shop:app?"),
    "slash for colon": ("shop/app", "did you mean shop:app?"),
    "near name": ("shop:ap", "has no attribute 'ap'; did you mean shop:app?"),
    "near name of a file": ("shop.py:ap", "did you mean shop:app?"),
    "other name": ("shop:server", "has no attribute 'server'; did you mean shop:app?"),
    "near factory": ("shop:creat_app", "did you mean shop:create_app()?"),
    "near module": ("shpo:app", "did you mean shop:app?"),
    "in a package": ("store/web.py:app", "did you mean store.web:app?"),
    "in a package, with dots": ("store.web", "did you mean store.web:app?"),
    "a package": ("store", "did you mean store:create_app()?"),
    "an empty package": ("mysite", "did you mean mysite.wsgi:application?"),
    "near module of a package": ("store.wbe:app", "did you mean store.web:app?"),
    "in a folder": ("src/main.py:app", "did you mean main:app with --app-dir"),
    "a module for an app": ("store:web", "is a module, not an app; did you mean store.web:app?"),
    "arguments": ("shop:create_app('x', y=1)", "say shop:create_app(), and let it read its"),
    "unknown": ("nothing", "is not MODULE:ATTR; for example main:app"),
    "nonsense": ("a b:c d", "is not MODULE:ATTR; for example main:app"),
    "expression": ("shop:app[0]", "is not MODULE:ATTR; did you mean shop:app?"),
    "hyphens": ("my-shop:app", "is not MODULE:ATTR; for example main:app"),
}


@pytest.mark.parametrize(("target", "sentence"), MISSPELT.values(), ids=MISSPELT)
def test_misspelt_targets(load: Load, tmp_path: Path, target: str, sentence: str) -> None:
    """The right spelling, looked up in the project, in one sentence and with exit code 2."""
    for name, text in {
        "store/__init__.py": "from . import web\ndef create_app(): ...\n",
        "store/web.py": APP,
        "mysite/__init__.py": "",
        "mysite/wsgi.py": "application = get_wsgi_application()\n",
        "src/main.py": "app = FastAPI()\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    source = FACTORY + "application = app\nVERSION = 1\n"
    with pytest.raises(UsageError) as error:
        load(source, target)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("source", ["", "def f(:", "x = '\0'", "\xff"])
def test_a_source_that_says_nothing(load: Load, tmp_path: Path, source: str) -> None:
    """A file that cannot be read or parsed gives no hint and no traceback."""
    (tmp_path / "odd.py").write_bytes(source.encode("latin-1"))
    with pytest.raises(UsageError, match="is not MODULE:ATTR; for example main:app"):
        load("", "odd.py")


def test_a_module_that_replaces_its_attributes(load: Load) -> None:
    """What is bound after the import counts; an error of a lazy attribute is one sentence."""
    loaded = load("def app(): ...\n" + APP, "shop:app")
    assert loaded.interface is Interface.ASGI
    del sys.modules["shop"]
    lazy = "def __getattr__(name):\n    raise RuntimeError('no database')\n"
    with pytest.raises(StartupError, match=r"reading shop:app failed at .*shop.py:2: Runtime"):
        load(lazy, "shop:app")


# In a pod


@pytest.mark.parametrize(
    ("source", "target", "flags"),
    [
        (FACTORY, "main:create_app", ()),
        (FACTORY, "main:create_app()", ()),
        (FACTORY, "main:create_app", ("--factory",)),
        (FLASK_FACTORY, "main:create_app()", ()),
        (FLASK_FACTORY, "main:create_app", ("--interface", "wsgi")),
    ],
)
def test_a_factory_serves(start_pod: StartPod, source: str, target: str, flags: Any) -> None:
    """The app that the factory returns is served, not the factory."""
    pod = start_pod(source, *flags, target=target).ready()
    assert pod.get("/")[2] == b"hello"
    assert pod.stop() == 0


@pytest.mark.parametrize(
    ("source", "target", "code", "sentence"),
    [
        ("def create_app(): ...", "main:create_app", 3, "main:create_app() returned None"),
        ("def create_app(): 1 / 0", "main:create_app", 3, "ZeroDivisionError"),
        ("import flask", "main:flask.Flask", 3, "is the class Flask, not an app"),
        ("async def app(): ...", "main:app", 3, "is an async factory"),
        ("def app(*args): ...", "main:app", 3, "add --interface asgi or wsgi"),
        (APP, "main:ap", 2, "did you mean main:app?"),
        (APP, "main", 2, "did you mean main:app?"),
        ("def app(a, b, c): ...", "main:app", 3, "cannot be called as an ASGI app: object NoneTy"),
        ("app = lambda a, b, c: 7", "main:app", 3, "cannot be called as an ASGI app"),
    ],
)
def test_what_never_becomes_ready(
    start_pod: StartPod, source: str, target: str, code: int, sentence: str
) -> None:
    """The process ends at the start with one sentence; nothing is left running."""
    pod = start_pod(source, target=target)
    assert pod.end() == code
    reports = [line["message"] for line in pod.log] or pod.noise
    assert sentence in str(reports[-1])
    assert "Traceback" not in str(reports)


LIES = {
    "not awaitable": ("def app(a, b, c): return 7", ("--lifespan", "off")),
    "wrong number": (
        "app = max",
        ("--lifespan", "off", "--interface", "asgi"),
    ),
    "coroutine for WSGI": ("def app(a, b): return later()\nasync def later(): ...", ()),
    "None for WSGI": ("def app(a, b): ...", ()),
    "limited": ("def app(a, b): ...", ("--max-concurrency", "5")),
    "WSGI of C": ("app = max", ("--interface", "wsgi")),
}


@pytest.mark.parametrize(("source", "flags"), LIES.values(), ids=LIES)
def test_parameters_that_lie(start_pod: StartPod, source: str, flags: Any) -> None:
    """An app whose first call fails as a call is not ready any more, and says why."""
    pod = start_pod(source, *flags).ready()
    assert pod.get("/")[0] == 500
    eventually(lambda: pod.probe("/readyz")[0] == 503, "not ready")
    assert pod.probe("/readyz")[1]["failing"] == ["app-call"]
    assert pod.probe("/livez")[0] == 200
    line = pod.line("the app cannot be called as its interface says")
    assert line["severity"] == "CRITICAL"
    assert pod.stop() == 0


def test_some_calls_that_fail_do_not_take_a_pod_out_of_service(start_pod: StartPod) -> None:
    """One answer shows that the interface is right; no client can make the pod unready then."""
    pod = start_pod(
        """
        async def hello(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

        def app(scope, receive, send):
            if scope["type"] == "http" and scope["path"] == "/":
                return hello(scope, receive, send)
        """,
        "--lifespan", "off",
    ).ready()  # fmt: skip
    assert pod.get("/bad")[0] == 500
    eventually(lambda: pod.probe("/readyz")[0] == 503, "not ready")
    assert pod.get("/")[0] == 200
    eventually(lambda: pod.probe("/readyz")[0] == 200, "ready again")
    assert pod.get("/bad")[0] == 500
    assert pod.probe("/readyz")[0] == 200


def test_a_type_error_of_the_app_is_its_own(start_pod: StartPod) -> None:
    """Only the call itself counts, not what goes wrong inside the app."""
    pod = start_pod("def app(environ, start_response):\n    len(7)\n").ready()
    assert pod.get("/")[0] == 500
    pod.line("Exception in ASGI application")
    assert pod.probe("/readyz")[0] == 200
