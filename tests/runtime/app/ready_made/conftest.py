"""Real servers for the ready-made checks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.examples.postgres import Server as PostgresServer
from tests.examples.postgres import running_server
from tests.parts import program
from tests.ports import HeldPort
from tests.runtime.conftest import eventually


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server that runs for all tests of a file."""
    with running_server("s3cret") as running:
        yield running


class RedisServer:
    """A Redis server with a password, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self._held = HeldPort()
        self._port = self._held.number
        self._folder = folder
        self.url = f"redis://:s3cret@127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv = [program("redis-server") or "", "--port", str(self._port), "--bind", "127.0.0.1"]
        argv += ["--requirepass", "s3cret", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(argv, cwd=self._folder, stdout=subprocess.DEVNULL)
        eventually(self._answers, "Redis answers")

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def close(self) -> None:
        """Kill it for good."""
        self.stop()
        self._held.close()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Give a running Redis server; skip where none is installed."""
    if program("redis-server") is None:
        pytest.skip("no Redis here: install redis-server")
    server = RedisServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.close()
