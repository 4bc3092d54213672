"""Redis, or a server that speaks its protocol: it answers PING."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.runtime.app.ready_made.source import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    import redis.asyncio

    from podready.runtime.app.ready_made.source import Source


def check_redis(
    source: str | Source[redis.Redis | redis.asyncio.Redis], *, timeout: float = 2.0
) -> Callable[[], Any]:
    """Return a check of the server at a URL (redis://, rediss://, unix://) or behind a client.

    A URL means a new connection at each run, with `timeout` seconds to connect and to answer; a
    client, sync or asyncio, has timeouts of its own. A server that is still loading its data
    fails the check. Raises ValueError at once for a URL that is none.
    """
    if not isinstance(source, str):
        return lambda: resolve(source).ping()  # an awaitable, if it is an asyncio client
    import redis

    limits = {"socket_connect_timeout": timeout, "socket_timeout": timeout}
    redis.ConnectionPool.from_url(source, **limits)  # says now what is wrong with the URL

    def check() -> None:
        with redis.Redis.from_url(source, **limits) as client:
            client.ping()

    return check
