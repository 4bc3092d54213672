"""Servers of users' own, gone after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.wrap.server import Server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start foreign servers."""
    servers: list[Server] = []

    def begin(argv: tuple[str, ...], *source: str, **environ: str) -> Server:
        servers.append(Server(argv, tmp_path, *source, **environ))
        return servers[-1]

    yield begin
    for server in servers:
        server.kill()
