"""Credentials from mounted files open real servers, also after they were exchanged."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.examples.conftest import until
from tests.examples.postgres import Server, running_server
from tests.parts import program
from tests.ports import HeldPort

import podready
from podready.runtime.settings.load import Schema
from podready.runtime.settings.variable import Options
from podready.settings import Url, Watch


class Database(podready.Settings):
    url: podready.Secret[Url]


class Cache(podready.Settings, prefix="CACHE_"):
    port: int
    password: podready.Secret[str]


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that asks for a password; skip where none is installed."""
    with running_server("hunter2") as server:
        yield server


@pytest.mark.postgres
@pytest.mark.slow
def test_postgresql_by_a_mounted_secret_that_is_rotated(postgres: Server, tmp_path: Path) -> None:
    """The URL comes from a file; the watch hands over the new one, which works."""
    file = tmp_path / "url"
    file.write_text(postgres.url + "\n")
    schema = Schema(Database, Options(directories=(str(tmp_path),)))
    pool: list[Database] = []
    watch = Watch(schema, schema.read({}).value, pool.append, {}, every=3600)
    with psycopg.connect(watch.current.url.reveal(), connect_timeout=10) as connection:
        connection.execute("ALTER USER hello PASSWORD 'rotated'")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(watch.current.url.reveal(), connect_timeout=10)
    postgres.password = "rotated"
    file.write_text(postgres.url)
    assert watch.poll()
    psycopg.connect(pool[0].url.reveal(), connect_timeout=10).close()
    assert "rotated" not in repr(pool[0])


def ask(port: int, *commands: str) -> list[bytes]:
    """Send inline commands to Redis, return the first line of each answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        file = connection.makefile("rwb")
        answers = []
        for command in commands:
            file.write(command.encode() + b"\r\n")
            file.flush()
            answers.append(file.readline().strip())
        return answers


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis server with a password; skip where none is installed."""
    redis_server = program("redis-server")
    if redis_server is None:
        pytest.skip("no Redis here: install redis-server")
    held = HeldPort()
    port = held.number
    words = ["--port", str(port), "--bind", "127.0.0.1", "--requirepass", "hunter2", "--save", ""]
    server = subprocess.Popen(
        [redis_server, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        until(lambda: _answers(port), lambda: "Redis answers")
        yield port
    finally:
        server.kill()
        server.wait()
        held.close()


def _answers(port: int) -> bool:
    try:
        return bool(ask(port, "PING"))
    except OSError:
        return False


def test_redis_by_a_password_file(redis: int, tmp_path: Path) -> None:
    """An app of its own process: NAME_FILE, and nothing of the secret in what it prints."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    assert ask(redis, "GET x")[0].startswith(b"-NOAUTH")
    loaded = Cache.load({"CACHE_PORT": str(redis), "CACHE_PASSWORD_FILE": str(secret)})
    assert ask(loaded.port, f"AUTH {loaded.password.reveal()}", "PING") == [b"+OK", b"+PONG"]
    code = (
        "import podready\nclass C(podready.Settings, prefix='CACHE_'):\n    port: int\n"
        "    password: podready.Secret[str]\nprint(C.load())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"CACHE_PORT": str(redis), "CACHE_PASSWORD_FILE": str(secret)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"C(port={redis}, password=Secret('**********'))\n"
