"""--root-path: an app behind a proxy that strips a prefix makes URLs with the prefix in them."""

from __future__ import annotations

import json

import pytest
from tests.runtime.conftest import Pod, StartPod, eventually

from podready.errors import SettingsError
from podready.runtime.run_config import load_config

FASTAPI = """
import fastapi

app = fastapi.FastAPI()
sub = fastapi.FastAPI()

@app.get("/items/{n}")
def item(n: int, request: fastapi.Request):
    return {"url": str(request.url_for("item", n=n).path), "root": request.scope["root_path"]}

@sub.get("/x")
def below(request: fastapi.Request):
    return {"root": request.scope["root_path"]}

@app.websocket("/ws")
async def socket(websocket: fastapi.WebSocket):
    await websocket.accept()
    await websocket.send_text(websocket.scope["root_path"])
    await websocket.close()

app.mount("/sub", sub)
"""
FLASK = """
import flask

app = flask.Flask(__name__)

@app.get("/items/<int:n>")
def item(n):
    root = flask.request.environ["SCRIPT_NAME"]
    return {"url": flask.url_for("item", n=n), "root": root, "path": flask.request.path}
"""
DJANGO = """
import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path, reverse

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
django.setup()

def item(request, n):
    return JsonResponse({"url": reverse("item", args=[n]), "path": request.path})

urlpatterns = [path("items/<int:n>", item, name="item")]

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

asgi = get_asgi_application()
wsgi = get_wsgi_application()
"""


def metrics(pod: Pod) -> str:
    """Return the metrics page."""
    return pod.get("/metrics", port=pod.admin)[2].decode()


ENGINES = pytest.mark.parametrize("engine", ["uvicorn", "granian"])


@ENGINES
def test_fastapi_under_a_prefix(start_pod: StartPod, engine: str) -> None:
    """Docs page, OpenAPI's servers, url_for, mounts and metrics' routes."""
    pod = start_pod(FASTAPI, "--root-path", "/shop/api/", "--engine", engine).ready()
    assert b"'/shop/api/openapi.json'" in pod.get("/docs")[2]
    assert json.loads(pod.get("/openapi.json")[2])["servers"] == [{"url": "/shop/api"}]
    answer = json.loads(pod.get("/items/7")[2])
    assert answer == {"url": "/shop/api/items/7", "root": "/shop/api"}
    assert json.loads(pod.get("/sub/x")[2]) == {"root": "/shop/api/sub"}
    for route in ("/items/{n}", "/sub/x"):  # counted after the client has its answer
        eventually(lambda: f'http_route="{route}"' in metrics(pod), route)  # noqa: B023
    assert pod.stop() == 0


@ENGINES
def test_flask_under_a_prefix(start_pod: StartPod, engine: str) -> None:
    """SCRIPT_NAME is the prefix, PATH_INFO the rest, percent signs included."""
    pod = start_pod(FLASK, "--engine", engine, PODREADY_ROOT_PATH="/shop").ready()
    answer = json.loads(pod.get("/items/7")[2])
    assert answer == {"url": "/shop/items/7", "root": "/shop", "path": "/items/7"}
    assert json.loads(pod.get("/items/%37")[2])["path"] == "/items/7"


@ENGINES
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_django_under_a_prefix(start_pod: StartPod, engine: str, interface: str) -> None:
    """`reverse` and `request.path` have the prefix, with no FORCE_SCRIPT_NAME."""
    flags = ("--root-path", "/shop", "--engine", engine)
    pod = start_pod(DJANGO, *flags, target=f"main:{interface}").ready()
    answer = json.loads(pod.get("/items/7")[2])
    assert answer == {"url": "/shop/items/7", "path": "/shop/items/7"}


@pytest.mark.parametrize(
    ("text", "path"), [("/api", "/api"), ("/api/", "/api"), ("/", ""), ("", ""), ("/a/b", "/a/b")]
)
def test_a_slash_at_the_end_says_nothing(text: str, path: str) -> None:
    """/api and /api/ are one prefix, / is none."""
    assert load_config(["a:b", f"--root-path={text}"], {}).root_path == path


@pytest.mark.parametrize("text", ["api", "https://x.com/api", "/a b", "/a?b", "/%41", "/a//b"])
def test_what_is_no_path(text: str) -> None:
    """A prefix is a path that needs no decoding."""
    with pytest.raises(SettingsError, match=r"--root-path: .* is not a path such as /api"):
        load_config(["a:b", "--root-path", text], {})
