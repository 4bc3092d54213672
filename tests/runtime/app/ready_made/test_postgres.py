"""The PostgreSQL checks against a real server, and against none."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]  # it has no types
import psycopg
import psycopg_pool
import pytest
from sqlalchemy import create_engine, exc
from sqlalchemy.ext.asyncio import create_async_engine
from tests.examples.postgres import Server as PostgresServer

from podready.checks import check_asyncpg, check_psycopg, check_sqlalchemy
from podready.runtime.app.timeouts import call_bounded

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(200),
]

NOWHERE = "postgresql://hello:s3cret@127.0.0.1:1/postgres"


async def test_psycopg_with_an_address(postgres: PostgresServer) -> None:
    """A new connection at each run; nobody there means an error without the password."""
    await call_bounded(check_psycopg(postgres.url), 20)
    with pytest.raises(psycopg.OperationalError) as failed:
        await call_bounded(check_psycopg(NOWHERE), 20)
    assert "s3cret" not in str(failed.value)


async def test_psycopg_keeps_the_options_it_is_given(postgres: PostgresServer) -> None:
    """What the address says wins over our limits."""
    url = f"{postgres.url}?connect_timeout=7&options=-c%20application_name%3Dshop"
    await call_bounded(check_psycopg(url), 20)


def test_psycopg_refuses_what_is_no_address() -> None:
    """At import, where it is seen, and not at the first run."""
    with pytest.raises(psycopg.ProgrammingError):
        check_psycopg("not an address")


async def test_psycopg_pools(postgres: PostgresServer) -> None:
    """A pool that the app has, or will have: sync or async."""
    with psycopg_pool.ConnectionPool(postgres.url, min_size=1, open=True) as pool:
        await call_bounded(check_psycopg(pool), 20)
        with pool.connection():
            used_up = psycopg_pool.ConnectionPool(postgres.url, min_size=1, max_size=1, open=True)
            with used_up, used_up.connection(), pytest.raises(psycopg_pool.PoolTimeout):
                await call_bounded(check_psycopg(used_up, timeout=0.1), 20)
    async with psycopg_pool.AsyncConnectionPool(postgres.url, min_size=1, open=False) as later:
        await call_bounded(check_psycopg(lambda: later), 20)


async def test_asyncpg(postgres: PostgresServer) -> None:
    """An address, a pool, and nobody there."""
    await call_bounded(check_asyncpg(postgres.url), 20)
    async with asyncpg.create_pool(postgres.url, min_size=1, max_size=1) as pool:
        await call_bounded(check_asyncpg(lambda: pool), 20)
        async with pool.acquire():
            with pytest.raises(TimeoutError):
                await call_bounded(check_asyncpg(pool, timeout=0.1), 20)
    with pytest.raises(OSError, match=r"127\.0\.0\.1") as failed:
        await call_bounded(check_asyncpg(NOWHERE), 20)
    assert "s3cret" not in str(failed.value)


async def test_sqlalchemy(postgres: PostgresServer) -> None:
    """A sync engine on a thread, an async one on the loop, and nobody there."""
    engine = create_engine(postgres.url.replace("://", "+psycopg://"))
    await call_bounded(check_sqlalchemy(engine), 20)
    engine.dispose()
    async_engine = create_async_engine(postgres.url.replace("://", "+asyncpg://"))
    await call_bounded(check_sqlalchemy(lambda: async_engine), 20)
    await async_engine.dispose()
    nobody = create_engine(NOWHERE.replace("://", "+psycopg://"))
    with pytest.raises(exc.OperationalError) as failed:
        await call_bounded(check_sqlalchemy(nobody), 20)
    assert "s3cret" not in str(failed.value)


async def test_a_wrong_password_is_not_told(postgres: PostgresServer) -> None:
    """Authentication is part of the check; what was tried stays a secret."""
    url = postgres.url.replace("s3cret", "wr0ng")
    with pytest.raises(psycopg.OperationalError) as sync:
        await call_bounded(check_psycopg(url), 20)
    with pytest.raises(asyncpg.InvalidPasswordError) as on_loop:
        await call_bounded(check_asyncpg(url), 20)
    assert "wr0ng" not in f"{sync.value} {on_loop.value}"
