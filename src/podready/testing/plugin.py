"""The pytest plugin: fixtures that are there when podready and pytest are installed.

It is loaded at every start of pytest, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from podready.testing import RunApp, RunningApp, ServeApp, ServedApp, SettingsEnv


@pytest.fixture
def run_app(request: pytest.FixtureRequest) -> Iterator[RunApp]:
    """Return `podready.testing.run_app` as a function: the app ends with the test.

    The app runs in pytest's root directory unless `cwd` says otherwise.
    """
    from podready.testing import run_app as run

    with ExitStack() as stack:

        def start(app: str | Sequence[str], **options: Any) -> RunningApp:
            options.setdefault("cwd", request.config.rootpath)
            return stack.enter_context(run(app, **options))

        yield start


@pytest.fixture
def serve_app() -> Iterator[ServeApp]:
    """Return `podready.testing.serve_app` as a function: the app ends with the test."""
    from podready.testing import serve_app as serve

    with ExitStack() as stack:

        def start(app: Callable[..., Any], **options: Any) -> ServedApp:
            return stack.enter_context(serve(app, **options))

        yield start


@pytest.fixture
def settings_env(request: pytest.FixtureRequest) -> Iterator[SettingsEnv]:
    """Return `podready.testing.settings_env` as a function: it holds until the end of the test."""
    from podready.testing import settings_env as replace

    # What the test sets with monkeypatch is undone after us, in the real environment again.
    request.getfixturevalue("monkeypatch")
    with ExitStack() as stack:

        def use(
            variables: Mapping[str, str] | None = None,
            *,
            secret_files: Mapping[str, str] | None = None,
        ) -> Path:
            return stack.enter_context(replace(variables, secret_files=secret_files))

        yield use
