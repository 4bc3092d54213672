"""A database behind an SQLAlchemy engine, sync or async: it answers SELECT 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.runtime.app.ready_made.source import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from podready.runtime.app.ready_made.source import Source


def check_sqlalchemy(source: Source[Engine | AsyncEngine]) -> Callable[[], Any]:
    """Return a check of the database behind an engine.

    A connection comes out of the engine's own pool, so a pool that is used up fails the check.
    Timeouts are the driver's: give them in `connect_args`, or a database that swallows packets
    holds a thread for the minutes that TCP takes.
    """
    from sqlalchemy import literal, select

    query = select(literal(1))  # each dialect writes it as its database wants it

    def check() -> Awaitable[None] | None:
        engine = resolve(source)
        if hasattr(engine, "sync_engine"):
            return ask(engine)
        with engine.connect() as connection:
            connection.execute(query)
        return None

    async def ask(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(query)

    return check
