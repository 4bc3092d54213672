"""podready makes a Python web application container- and Kubernetes-ready, and proves it.

Public are the names below and the modules `podready.checks`, `podready.tracing` and
`podready.errors`; docs/reference/python-api.md lists them. All other modules are private. The names
are resolved on first use, so that `import podready` costs nothing in a pod that needs only one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from podready._version import __version__ as __version__

if TYPE_CHECKING:
    from podready.runtime.app.checks import broken as broken
    from podready.runtime.app.checks import check as check
    from podready.runtime.app.checks import set_ready as set_ready
    from podready.runtime.app.hooks import hook as hook
    from podready.runtime.app.hooks import warmup as warmup
    from podready.runtime.app.shutdown_notice import shutdown_notice as shutdown_notice
    from podready.runtime.app.shutdown_notice import shutting_down as shutting_down
    from podready.runtime.requests.inflight import task as task
    from podready.runtime.settings.base import Settings as Settings
    from podready.runtime.settings.secret import Secret as Secret
    from podready.runtime.settings.variable import var as var
    from podready.runtime.wrap.wrap import wrap as wrap

_FACE = {
    "Secret": "podready.runtime.settings.secret",
    "Settings": "podready.runtime.settings.base",
    "broken": "podready.runtime.app.checks",
    "check": "podready.runtime.app.checks",
    "hook": "podready.runtime.app.hooks",
    "set_ready": "podready.runtime.app.checks",
    "shutdown_notice": "podready.runtime.app.shutdown_notice",
    "shutting_down": "podready.runtime.app.shutdown_notice",
    "task": "podready.runtime.requests.inflight",
    "var": "podready.runtime.settings.variable",
    "warmup": "podready.runtime.app.hooks",
    "wrap": "podready.runtime.wrap.wrap",
}

__all__ = [
    "Secret",
    "Settings",
    "__version__",
    "broken",
    "check",
    "hook",
    "set_ready",
    "shutdown_notice",
    "shutting_down",
    "task",
    "var",
    "warmup",
    "wrap",
]


def __getattr__(name: str) -> Any:
    """Import the module that owns `name` and return it (PEP 562)."""
    if name not in _FACE:
        raise AttributeError(f"module 'podready' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FACE[name]), name)
    return found


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
