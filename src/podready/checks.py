"""Ready-made functions for `podready.check`, one for each kind of dependency.

    from podready.checks import check_redis

    podready.check("cache", critical=True)(check_redis("redis://cache:6379"))

Each `check_...` returns a function that raises when the dependency does not answer. It takes an
address, or the client or pool that the app already has, or a function without parameters that
returns the client or pool, for what is made only at start-up. A client library is imported when
its `check_...` is called, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.app.ready_made.django_databases import check_django
    from podready.runtime.app.ready_made.http_service import (
        UnexpectedStatusError,
        check_http,
    )
    from podready.runtime.app.ready_made.postgres import check_asyncpg, check_psycopg
    from podready.runtime.app.ready_made.redis_server import check_redis
    from podready.runtime.app.ready_made.sqlalchemy_engine import (
        check_sqlalchemy,
    )

_ROOM = "podready.runtime.app.ready_made"

_MODULES = {
    "UnexpectedStatusError": "http_service",
    "check_asyncpg": "postgres",
    "check_django": "django_databases",
    "check_http": "http_service",
    "check_psycopg": "postgres",
    "check_redis": "redis_server",
    "check_sqlalchemy": "sqlalchemy_engine",
}

__all__ = [
    "UnexpectedStatusError",
    "check_asyncpg",
    "check_django",
    "check_http",
    "check_psycopg",
    "check_redis",
    "check_sqlalchemy",
]


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` and return it (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{_ROOM}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
