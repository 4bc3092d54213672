"""An app with a real database on this machine, rehearsed by the real command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import EXAMPLES, SHORT, Rehearse
from tests.examples.postgres import Server, running_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "s3cr3t-of-a-test"
HOW_TO = EXAMPLES.parent / "docs" / "how-to" / "rehearse-with-a-database.md"


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a running PostgreSQL that wants a password."""
    with running_server(PASSWORD) as found:
        yield found


@pytest.fixture
def hello(copy_of: Callable[[str], Path]) -> Callable[..., Path]:
    """Return a maker of examples/hello with the settings that the how-to tells to write."""

    def make(port: int, password: str = PASSWORD) -> Path:
        project = copy_of("hello")
        settings = HOW_TO.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
        assert settings.count("5432") == 2
        settings = settings.replace("5432", str(port)).replace(":hello@", f":{password}@")
        with (project / "pyproject.toml").open("a") as file:
            file.write(f"\n{settings}")
        return project

    return make


@pytest.mark.parametrize("sandbox", ["netns", "plain"])
def test_hello_is_ready_on_a_real_postgresql(
    rehearse: Rehearse,
    report: Callable[[], dict[str, Any]],
    server: Server,
    hello: Callable[..., Path],
    tmp_path: Path,
    sandbox: str,
) -> None:
    """Every pod asks the database of this machine, and no report tells its password."""
    before = server.sessions()

    done = rehearse(hello(server.port), *SHORT, "--sandbox", sandbox)

    assert done.code == 0, done.out + done.err
    assert server.sessions() - before > 4  # 4 pods, a check each some seconds, and this question
    settings = report()["settings"]
    assert settings["host ports"] == str(server.port)
    assert settings["environment of its own"] == "DATABASE_URL"
    for file in (tmp_path / "report").iterdir():
        assert PASSWORD not in file.read_text()


def test_a_database_that_says_no_keeps_the_app_from_being_ready(
    rehearse: Rehearse, server: Server, hello: Callable[..., Path]
) -> None:
    """Exit 2, the database's reason, and the password in none of it."""
    wrong = hello(server.port, f"{PASSWORD}-wrong")
    done = rehearse(wrong, *SHORT, "--start-timeout", "8s")
    assert done.code == 2, done.out + done.err
    assert "the app could not start" in done.err
    assert "database" in done.err
    assert PASSWORD not in done.out + done.err


def test_a_port_without_a_server_is_told_at_once(
    rehearse: Rehearse, hello: Callable[..., Path]
) -> None:
    """Exit 2 before anything starts, with the setting and the port."""
    done = rehearse(hello(1), *SHORT)
    assert done.code == 2
    assert "[tool.podready.rehearse] host-ports: nothing answers at 127.0.0.1:1" in done.err
    assert done.out == ""
