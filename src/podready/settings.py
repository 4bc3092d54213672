"""Typed settings from environment variables: the public names, resolved on first use.

    import podready
    from podready.settings import ByteSize

    class AppSettings(podready.Settings, prefix="APP_"):
        port: int = podready.var(default=3000, doc="where the app listens")  # APP_PORT
        cache_size: ByteSize = podready.var(default="64MiB")  # APP_CACHE_SIZE
        secret_key: podready.Secret[str]  # APP_SECRET_KEY or APP_SECRET_KEY_FILE, required

    settings = AppSettings.load()

`Settings`, `Secret` and `var` are names of `podready` too. `ByteSize`, `LogLevel` and `Url` are
types for fields. `adapt` takes a class of pydantic-settings, attrs, msgspec or dataclasses and
returns a `Schema`, which loads and describes it. `Watch` is what `Settings.watch` returns,
`SettingsError` what `load` raises.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from podready.errors import SettingsError
    from podready.runtime.settings.adapters import adapt
    from podready.runtime.settings.base import Settings
    from podready.runtime.settings.load import Schema
    from podready.runtime.settings.secret import Secret
    from podready.runtime.settings.types.levels import LogLevel
    from podready.runtime.settings.types.sizes import ByteSize
    from podready.runtime.settings.types.urls import Url
    from podready.runtime.settings.variable import var
    from podready.runtime.settings.watch import Watch

__all__ = [
    "ByteSize",
    "LogLevel",
    "Schema",
    "Secret",
    "Settings",
    "SettingsError",
    "Url",
    "Watch",
    "adapt",
    "var",
]

_MODULES: Final = {
    "ByteSize": "podready.runtime.settings.types.sizes",
    "LogLevel": "podready.runtime.settings.types.levels",
    "Schema": "podready.runtime.settings.load",
    "Secret": "podready.runtime.settings.secret",
    "Settings": "podready.runtime.settings.base",
    "SettingsError": "podready.errors",
    "Url": "podready.runtime.settings.types.urls",
    "Watch": "podready.runtime.settings.watch",
    "adapt": "podready.runtime.settings.adapters",
    "var": "podready.runtime.settings.variable",
}


def __getattr__(name: str) -> Any:
    """Import the module that owns `name` and return it (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'podready.settings' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
