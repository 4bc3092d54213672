"""The Redis check against a real server, under podready run."""

from __future__ import annotations

import pytest
import redis
import redis.asyncio
from tests.runtime.app.ready_made.conftest import RedisServer
from tests.runtime.conftest import StartPod, eventually

from podready.checks import check_redis
from podready.runtime.app.timeouts import call_bounded


async def test_an_address_a_client_and_a_client_to_come(redis_server: RedisServer) -> None:
    """Each way of naming the server reaches it."""
    await call_bounded(check_redis(redis_server.url), 20)
    with redis.Redis.from_url(redis_server.url) as client:
        await call_bounded(check_redis(client), 20)
    async with redis.asyncio.Redis.from_url(redis_server.url) as async_client:
        await call_bounded(check_redis(lambda: async_client), 20)


async def test_nobody_there(redis_server: RedisServer) -> None:
    """The error does not tell the password."""
    redis_server.stop()
    with pytest.raises(redis.ConnectionError) as failed:
        await call_bounded(check_redis(redis_server.url), 20)
    assert "s3cret" not in str(failed.value)


def test_what_is_no_address() -> None:
    """Said at import."""
    with pytest.raises(ValueError, match="scheme"):
        check_redis("cache:6379")


def test_readiness_follows_it(start_pod: StartPod, redis_server: RedisServer) -> None:
    """Ready with the server, not ready without, ready again by itself; the password stays ours."""
    pod = start_pod(
        """
        import os
        import podready
        from podready.checks import check_redis

        check = check_redis(os.environ["CACHE_URL"])
        podready.check("cache", critical=True, interval=0.05)(check)

        async def app(scope, receive, send):
            assert scope["type"] == "http"
        """,
        CACHE_URL=redis_server.url,
    ).ready()
    redis_server.stop()
    eventually(lambda: pod.probe("/readyz")[1].get("failing") == ["cache"], "not ready")
    redis_server.start()
    pod.ready()
    assert pod.stop() == 0
    assert "s3cret" not in str(pod.log)
