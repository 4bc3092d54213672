"""PostgreSQL through psycopg 3 or asyncpg: a connection is had, and the server answers SELECT 1."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from podready.runtime.app.ready_made.source import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg  # type: ignore[import-untyped]  # it has no types
    import psycopg_pool

    from podready.runtime.app.ready_made.source import Source

    Pool: TypeAlias = psycopg_pool.ConnectionPool[Any] | psycopg_pool.AsyncConnectionPool[Any]

_QUERY: Final = "SELECT 1"

_SHORTEST_CONNECT: Final = 2
"""Seconds: libpq takes a shorter connect_timeout for two (PostgreSQL, libpq-connect)."""


def check_psycopg(source: str | Source[Pool], *, timeout: float = 2.0) -> Callable[[], Any]:
    """Return a check of the server at a connection string or URL, or behind a psycopg pool.

    A string means a new connection at each run, with `timeout` seconds to connect and for the
    statement. Raises psycopg.ProgrammingError at once for a string that is no connection string.
    """
    if isinstance(source, str):
        return _new_psycopg_connection(source, timeout)

    def check() -> Awaitable[None] | None:
        pool = resolve(source)
        if inspect.iscoroutinefunction(pool.open):
            return _ask_async_pool(pool, timeout)
        with pool.connection(timeout=timeout) as connection:
            connection.execute(_QUERY)
        return None

    return check


def _new_psycopg_connection(conninfo: str, timeout: float) -> Callable[[], None]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    parameters = conninfo_to_dict(conninfo)
    connect_timeout = max(_SHORTEST_CONNECT, int(timeout))
    options = f"{parameters.get('options') or ''} -c statement_timeout={int(timeout * 1000)}"
    settings: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        **parameters,
        "options": options.strip(),
    }

    def check() -> None:
        with psycopg.connect(**settings, autocommit=True) as connection:
            connection.execute(_QUERY)

    return check


async def _ask_async_pool(pool: Any, timeout: float) -> None:
    async with pool.connection(timeout=timeout) as connection:
        await connection.execute(_QUERY)


def check_asyncpg(
    source: str | Source[asyncpg.Pool], *, timeout: float = 2.0
) -> Callable[[], Awaitable[None]]:
    """Return a check of the server at a URL (a new connection at each run) or behind a pool.

    `timeout` in seconds holds for connecting, or getting a connection, and for the answer.
    """
    import asyncpg

    async def check() -> None:
        if isinstance(source, str):
            connection = await asyncpg.connect(source, timeout=timeout, command_timeout=timeout)
            try:
                await connection.execute(_QUERY)
            finally:
                await connection.close(timeout=timeout)
            return
        async with resolve(source).acquire(timeout=timeout) as connection:
            await connection.execute(_QUERY, timeout=timeout)

    return check
