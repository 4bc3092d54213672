"""Ready-made functions for `podready.check`, one file for each sort of dependency.

    from podready.runtime.app.ready_made import check_redis

    podready.check("cache", critical=True)(check_redis("redis://cache:6379"))

Each `check_...` returns a function that raises when the dependency does not answer. What it takes
is an address, or the client or pool that the app has already, or a function without parameters
that returns it, for what is made only at start-up. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.app.ready_made.django_databases import check_django as check_django
    from podready.runtime.app.ready_made.http_service import check_http as check_http
    from podready.runtime.app.ready_made.postgres import check_asyncpg as check_asyncpg
    from podready.runtime.app.ready_made.postgres import check_psycopg as check_psycopg
    from podready.runtime.app.ready_made.redis_server import check_redis as check_redis
    from podready.runtime.app.ready_made.sqlalchemy_engine import (
        check_sqlalchemy as check_sqlalchemy,
    )

_FACE = {
    "check_asyncpg": "postgres",
    "check_django": "django_databases",
    "check_http": "http_service",
    "check_psycopg": "postgres",
    "check_redis": "redis_server",
    "check_sqlalchemy": "sqlalchemy_engine",
}

__all__ = [
    "check_asyncpg",
    "check_django",
    "check_http",
    "check_psycopg",
    "check_redis",
    "check_sqlalchemy",
]


def __getattr__(name: str) -> Any:
    """Import the module that owns `name` and return it (PEP 562)."""
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
