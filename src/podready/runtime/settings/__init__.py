"""Typed settings from environment variables: a thin layer over the standard library's dataclasses.

class AppSettings(podready.Settings, prefix="APP_"):
    port: int = podready.var(default=3000, doc="where the app listens")  # APP_PORT
    hosts: list[str] = podready.var(default=(), separator=":")  # APP_HOSTS
    timeout: timedelta = podready.var(default="5s")  # APP_TIMEOUT
    secret_key: podready.Secret[str]  # APP_SECRET_KEY or APP_SECRET_KEY_FILE, required

settings = AppSettings.load()

All that is wrong is reported at once, by the names of the environment; no traceback, exit code 78.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.runtime.settings.base import Settings
from podready.runtime.settings.secret import Secret
from podready.runtime.settings.variable import var

if TYPE_CHECKING:
    from podready.runtime.settings.levels import LogLevel
    from podready.runtime.settings.sizes import ByteSize
    from podready.runtime.settings.urls import Url
    from podready.runtime.settings.watch import Watch

__all__ = ["ByteSize", "LogLevel", "Secret", "Settings", "Url", "Watch", "var"]

_LAZY = {
    "ByteSize": "podready.runtime.settings.sizes",
    "LogLevel": "podready.runtime.settings.levels",
    "Url": "podready.runtime.settings.urls",
    "Watch": "podready.runtime.settings.watch",
}
"""Types that an app imports only if it uses them; settings start faster without."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
