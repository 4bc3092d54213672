"""Logs as an event stream on stdout: what an app may import to configure and extend them.

    from podready import logs

    logs.configure()  # not needed under `podready run`

structlog and loguru have modules of their own: `podready.logs.structlog`, `podready.logs.loguru`.
Names are resolved on first use, as in `podready` itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.logs import Format as Format
    from podready.runtime.logs import add_source as add_source
    from podready.runtime.logs import configure as configure
    from podready.runtime.logs import context as context
    from podready.runtime.logs import dropped_lines as dropped_lines
    from podready.runtime.logs import flush as flush
    from podready.runtime.logs.options import LogOptions as LogOptions
    from podready.runtime.logs.sampling import SamplingRule as SamplingRule

_OWNERS = {
    "Format": "podready.runtime.logs",
    "LogOptions": "podready.runtime.logs.options",
    "SamplingRule": "podready.runtime.logs.sampling",
    "add_source": "podready.runtime.logs",
    "configure": "podready.runtime.logs",
    "context": "podready.runtime.logs",
    "dropped_lines": "podready.runtime.logs",
    "flush": "podready.runtime.logs",
}

__all__ = [
    "Format",
    "LogOptions",
    "SamplingRule",
    "add_source",
    "configure",
    "context",
    "dropped_lines",
    "flush",
]


def __getattr__(name: str) -> Any:
    """Import the module that owns `name` and return it (PEP 562)."""
    if name not in _OWNERS:
        raise AttributeError(f"module 'podready.logs' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_OWNERS[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
