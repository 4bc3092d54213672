"""Tests of an app's start, settings and shutdown: does a stop lose a request?

    def test_a_stop_loses_nothing(run_app):
        app = run_app("main:app")
        app.start("/slow")
        app.drain()
        app.assert_no_request_lost()

`run_app`, `serve_app` and `settings_env` are fixtures of the pytest plugin that comes with
podready; the functions of the same names here are context managers, for any test runner. Nothing
is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.testing.app_under_test import AppUnderTest
    from podready.testing.child import RunningApp, run_app
    from podready.testing.environment import settings_env
    from podready.testing.fixtures import RunApp, ServeApp, SettingsEnv
    from podready.testing.in_process import ServedApp, serve_app
    from podready.testing.request_record import PendingRequest, Response

_MODULES = {
    "AppUnderTest": "app_under_test",
    "PendingRequest": "request_record",
    "Response": "request_record",
    "RunApp": "fixtures",
    "RunningApp": "child",
    "ServeApp": "fixtures",
    "ServedApp": "in_process",
    "SettingsEnv": "fixtures",
    "run_app": "child",
    "serve_app": "in_process",
    "settings_env": "environment",
}

__all__ = [
    "AppUnderTest",
    "PendingRequest",
    "Response",
    "RunApp",
    "RunningApp",
    "ServeApp",
    "ServedApp",
    "SettingsEnv",
    "run_app",
    "serve_app",
    "settings_env",
]


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` and return it (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
