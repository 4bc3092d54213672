"""A real PostgreSQL server for tests, with its data in a folder that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.examples.conftest import until
from tests.parts import program
from tests.ports import HeldPort

NOBODY = 65534
"""PostgreSQL refuses to run as root."""


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the PATH."""
    initdb = program("initdb", "usr/lib/postgresql/*/bin")
    return Path(initdb).parent if initdb else None


class Server:
    """A PostgreSQL server; with a password it asks for that by SCRAM, else it trusts everybody."""

    def __init__(self, programs: Path, folder: Path, password: str) -> None:
        self._programs, self._folder, self.password = programs, folder, password
        self._process: subprocess.Popen[bytes] | None = None
        self._held = HeldPort()
        self.port = self._held.number
        self._user = NOBODY if os.geteuid() == 0 else None
        secret = folder / "password"
        secret.write_text(password or "none")
        secret.chmod(0o644)  # inside a folder of the server's own
        authentication = ["-A", "scram-sha-256" if password else "trust", f"--pwfile={secret}"]
        subprocess.run(
            [programs / "initdb", "-D", "data", *authentication, "-U", "hello", "--no-sync"],
            user=self._user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=120,
            check=True,
        )

    @property
    def url(self) -> str:
        """Where it answers on this machine."""
        user = f"hello:{self.password}" if self.password else "hello"
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", "-F", "-p", str(self.port),
             "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
            user=self._user,
            cwd=self._folder,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(self._answers, lambda: "PostgreSQL answers")

    def stop(self) -> None:
        """Stop it at once; its children go with it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

    def close(self) -> None:
        """End it for good."""
        if self._process is not None:
            self.stop()
        self._held.close()

    def sessions(self) -> int:
        """Return how many connections it has had so far, this one included."""
        with psycopg.connect(self.url, connect_timeout=10) as connection:
            row = connection.execute("SELECT sum(sessions) FROM pg_stat_database").fetchone()
        assert row is not None
        return int(row[0])

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running_server(password: str = "") -> Iterator[Server]:
    """Give a running server; skip where PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL here: install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="podready-postgres-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        found = Server(programs, folder, password)
        try:
            found.start()
            yield found
        finally:
            found.close()
    finally:
        shutil.rmtree(folder)
