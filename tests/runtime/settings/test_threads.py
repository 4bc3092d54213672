"""Settings loaded by several threads at once, while secrets leave the environment."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

import podready
from podready.runtime.settings.environment import removed_secrets
from podready.settings import adapt

pytestmark = pytest.mark.slow

THREADS = 8


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables of the test, and nothing of them left behind."""
    monkeypatch.setenv("THREADED_KEY", "hunter2")
    monkeypatch.setenv("THREADED_NUMBER", "7")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads meet at every place where they can
    yield
    sys.setswitchinterval(before)
    removed_secrets.pop("THREADED_KEY", None)


def test_a_secret_that_one_thread_takes_is_there_for_all() -> None:
    """Each thread finds it in the environment or among the removed secrets."""
    for _ in range(50):
        os.environ["THREADED_KEY"] = "hunter2"
        removed_secrets.pop("THREADED_KEY", None)

        class App(podready.Settings, prefix="THREADED_", unset_secrets=True):
            key: podready.Secret[str]
            number: int

        begin = threading.Barrier(THREADS)

        def load(kind: Any, barrier: threading.Barrier) -> tuple[str, int]:
            barrier.wait()
            loaded = kind.load()
            return loaded.key.reveal(), loaded.number

        with ThreadPoolExecutor(THREADS) as pool:
            loads = [pool.submit(load, App, begin) for _ in range(THREADS)]
            assert {each.result() for each in loads} == {("hunter2", 7)}
        assert "THREADED_KEY" not in os.environ


def test_an_environment_that_changes_meanwhile_is_read() -> None:
    """Another thread sets and removes variables of its own all the time."""

    class App(podready.Settings, prefix="THREADED_"):
        number: int

    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            os.environ["SOMETHING_ELSE"] = "x"
            del os.environ["SOMETHING_ELSE"]

    other = threading.Thread(target=change)
    other.start()
    try:
        assert {App.load().number for _ in range(2000)} == {7}
    finally:
        done.set()
        other.join()


def test_pydantic_settings_in_several_threads(tmp_path: Path) -> None:
    """A file's text is put into the environment for pydantic: one load at a time."""

    class Model(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="THREADED_")
        number: int
        word: str

    words = [tmp_path / str(number) for number in range(THREADS)]
    for word in words:
        word.write_text(word.name)
    schema = adapt(Model)

    def load(file: Path) -> set[str]:
        environ = {"THREADED_NUMBER": "7", "THREADED_WORD_FILE": str(file)}
        return {schema.load(environ).word for _ in range(30)}

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(load, words)) == [{word.name} for word in words]
    assert "THREADED_WORD" not in os.environ
