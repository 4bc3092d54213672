"""A stop of the app loses no request: `pytest` in this folder, after pip install podready."""

from pathlib import Path

from podready.testing import RunApp

PROJECT = Path(__file__).parents[1]


def test_a_stop_loses_nothing(run_app: RunApp, tmp_path: Path) -> None:
    """A two-second request across SIGTERM, and clients that send all the time."""
    database = f"sqlite:///{tmp_path}/hello.db"
    env = {"SECRET_KEY": "for tests", "DATABASE_URL": database}
    app = run_app("hello.main:app", cwd=PROJECT, env=env)
    slow = app.start("/slow")
    app.keep_requesting("/")
    assert app.drain() == 0
    assert slow.response().text == "Hello, after two seconds!"
    app.assert_no_request_lost()
