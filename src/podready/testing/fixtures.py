"""The types of the fixtures, for tests that are type-checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from podready.testing.child import RunningApp
from podready.testing.in_process import ServedApp


class RunApp(Protocol):
    """The fixture `run_app`."""

    def __call__(
        self,
        app: str | Sequence[str],
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | Path = ...,
        drain_delay: float = 0.5,
        grace_period: float = 10.0,
        startup_timeout: float = 30.0,
    ) -> RunningApp:
        """Run the app until the end of the test; see `podready.testing.run_app`."""


class ServeApp(Protocol):
    """The fixture `serve_app`."""

    def __call__(
        self,
        app: Callable[..., Any],
        *,
        drain_delay: float = 0.5,
        grace_period: float = 10.0,
        hook_time: float = 5.0,
        startup_timeout: float = 30.0,
    ) -> ServedApp:
        """Serve the app until the end of the test; see `podready.testing.serve_app`."""


class SettingsEnv(Protocol):
    """The fixture `settings_env`."""

    def __call__(
        self,
        variables: Mapping[str, str] | None = None,
        *,
        secret_files: Mapping[str, str] | None = None,
    ) -> Path:
        """Replace the environment until the end of the test; returns the secret files' folder."""
