"""The examples' readiness check against a real PostgreSQL server that comes and goes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.examples.conftest import until

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)]

NOBODY = 65534
"""PostgreSQL refuses to run as root."""


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the PATH."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "initdb").exists()), None)


class Server:
    """A PostgreSQL server with its data in a folder of its own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"postgresql://hello@127.0.0.1:{self._port}/postgres"
        self._user = NOBODY if os.geteuid() == 0 else None
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "hello", "--no-sync"],
            user=self._user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=120,
            check=True,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", "-F", "-p", str(self._port),
             "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
            user=self._user,
            cwd=self._folder,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(self._answers, lambda: "PostgreSQL answers")

    def stop(self) -> None:
        """Stop it at once; its children go with it."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a running server; skip where PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL here: install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="podready-postgres-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        found = Server(programs, folder)
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder)


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
