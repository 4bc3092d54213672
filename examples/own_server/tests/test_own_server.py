"""gunicorn with podready.wrap loses no request either: `pytest` in this folder."""

import sys
from pathlib import Path

from podready.testing import RunApp

PROJECT = Path(__file__).parents[1]
GUNICORN = [
    *(sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}"),
    *("--workers", "2", "--threads", "8", "own_server.main:app"),
]


def test_a_stop_loses_nothing(run_app: RunApp) -> None:
    """A two-second request across SIGTERM, and clients that send all the time."""
    app = run_app(GUNICORN, cwd=PROJECT, env={"SECRET_KEY": "for tests"})
    slow = app.start("/slow")
    app.keep_requesting("/")
    assert app.drain() == 0
    assert slow.response().text == "Hello, after two seconds!"
    app.assert_no_request_lost()
