"""The plugin in a pytest of its own: fixtures without an import, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

APP = """\
import asyncio
import podready

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("not spoken")
    await (asyncio.sleep(60) if scope["path"] == "/forever" else podready.wait_for_shutdown())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""

TESTS = """\
def test_a_stop_loses_nothing(run_app):
    app = run_app("main:app")
    app.start("/")
    app.drain()
    app.assert_no_request_lost()

def test_settings(settings_env):
    import os
    settings_env({"PORT": "3000"})
    assert dict(os.environ) == {"PORT": "3000"}
"""

HANGS = """\
def test_it_hangs(run_app):
    app = run_app("main:app")
    with open("ports", "w") as ports:
        ports.write(f"{app.port} {app.admin_port}")
    app.get("/forever")
"""


def pytest_command(*arguments: str) -> list[str]:
    """Return the command for a pytest that takes nothing from this project but podready."""
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a user's project."""
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope=function\n")
    return tmp_path


@pytest.mark.slow
def test_a_users_tests_run_as_the_page_says(folder: Path) -> None:
    """In a project that imports nothing of podready."""
    (folder / "test_app.py").write_text(TESTS)
    done = subprocess.run(
        pytest_command(), cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    """SIGINT to pytest while a request hangs: the app is gone when pytest is."""
    (folder / "test_app.py").write_text(HANGS)
    process = subprocess.Popen(
        pytest_command(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "ports").exists() or not (folder / "ports").read_text():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert b"KeyboardInterrupt" in output
    for port in (folder / "ports").read_text().split():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)))


@pytest.mark.parametrize("name", ["asyncio", "podready.runtime", "http.client", "subprocess"])
def test_the_plugin_imports_nothing_before_it_is_used(name: str) -> None:
    """It is loaded at every start of pytest; pytest's own imports do not count."""
    code = (
        "import sys, pytest; before = set(sys.modules); import podready.testing.plugin; "
        f"sys.exit({name!r} in set(sys.modules) - before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
