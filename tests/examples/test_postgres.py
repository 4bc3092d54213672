"""The examples' readiness check against a real PostgreSQL server that comes and goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.examples.conftest import until
from tests.examples.postgres import Server, running_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a running server; skip where PostgreSQL is not installed."""
    with running_server() as found:
        yield found


def test_readiness_follows_the_database(start: Any, server: Server) -> None:
    """Ready with the server, 503 when it is gone for some checks, ready again by itself."""
    app = start("hello", DATABASE_URL=server.url).ready()
    server.stop()
    until(lambda: app.readyz()[0] == 503, lambda: f"not ready; log: {app.log}", 90)
    assert "database" in app.readyz()[1]
    assert app.ask("/")[0] == 200  # out of the Service, yet alive and serving
    server.start()
    until(lambda: app.readyz()[0] == 200, lambda: f"ready again; log: {app.log}", 90)
    assert "hello@" not in str(app.log)
    app.terminate()
    assert app.exit_code() == 0
