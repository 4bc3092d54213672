"""The table of frameworks and engines under test: one line adds one.

Every app of `apps` has the same routes; a row says what its framework can do besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ENGINES = ("uvicorn", "granian")


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework; `hooks` maps each hook that can fail to the status its client gets."""

    name: str
    target: str
    lifespan: bool = True
    websocket: bool = True
    wsgi: bool = False
    mends_streams: bool = False
    """Its middleware ends a stream that failed as if it were whole, under every server."""
    hooks: Mapping[str, int] = field(default_factory=dict)

    @property
    def quiet_events(self) -> bool:
        """Whether a stream may wait for its next event without holding a thread."""
        return not self.wsgi


_APPS = "tests.frameworks.apps"

FRAMEWORKS = (
    Framework("raw", f"{_APPS}.on_raw:app"),
    Framework(
        "starlette",
        f"{_APPS}.on_starlette:app",
        mends_streams=True,  # BaseHTTPMiddleware
        hooks={"middleware-before": 500, "middleware-after": 500, "background": 200},
    ),
    Framework(
        "fastapi",
        f"{_APPS}.on_fastapi:app",
        hooks={
            "dependency": 500,
            "dependency-exit": 200,
            "exception-handler": 500,
            "background": 200,
        },
    ),
    Framework(
        "litestar",
        f"{_APPS}.on_litestar:app",
        hooks={"before_request": 500, "after_response": 200, "background": 200},
    ),
    Framework(
        "django-asgi",
        f"{_APPS}.on_django:asgi",
        lifespan=False,
        websocket=False,
        hooks={"middleware-before": 500, "middleware-after": 500, "request_started": 500},
    ),
    Framework(
        "django-wsgi",
        f"{_APPS}.on_django:wsgi",
        lifespan=False,
        websocket=False,
        wsgi=True,
        hooks={
            "middleware-before": 500,
            "middleware-after": 500,
            "request_started": 500,
            "request_finished": 200,
        },
    ),
    Framework(
        "flask",
        f"{_APPS}.on_flask:app",
        lifespan=False,
        websocket=False,
        wsgi=True,
        hooks={"before_request": 500, "after_request": 500, "teardown_request": 500, "close": 200},
    ),
    Framework(
        "quart",
        f"{_APPS}.on_quart:app",
        hooks={
            "before_request": 500,
            "after_request": 500,
            "teardown_request": 500,
            "background": 200,
        },
    ),
)

CASES = tuple((framework, engine) for engine in ENGINES for framework in FRAMEWORKS)
CASE_IDS = tuple(f"{framework.name}-{engine}" for framework, engine in CASES)
