"""Typed settings from environment variables: a thin layer over the standard library's dataclasses.

class AppSettings(podready.Settings, prefix="APP_"):
    port: int = podready.var(default=3000, doc="where the app listens")  # APP_PORT
    hosts: list[str] = podready.var(default=(), separator=":")  # APP_HOSTS
    timeout: timedelta = podready.var(default="5s")  # APP_TIMEOUT
    secret_key: podready.Secret[str]  # APP_SECRET_KEY or APP_SECRET_KEY_FILE, required

settings = AppSettings.load()

All that is wrong is reported at once, by the names of the environment; no traceback, exit code 78.
"""

from podready.runtime.settings.base import Settings
from podready.runtime.settings.secret import Secret
from podready.runtime.settings.variable import var

__all__ = ["Secret", "Settings", "var"]
