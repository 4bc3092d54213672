"""podready makes a Python web application container- and Kubernetes-ready, and proves it.

The names below are the whole public face. They are resolved on first use, so that
`import podready` costs nothing in a pod that needs only one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.app.checks import broken as broken
    from podready.runtime.app.checks import check as check
    from podready.runtime.app.checks import set_ready as set_ready
    from podready.runtime.app.hooks import hook as hook
    from podready.runtime.app.hooks import warmup as warmup
    from podready.runtime.app.shutdown_notice import shutdown_notice as shutdown_notice
    from podready.runtime.app.shutdown_notice import shutting_down as shutting_down
    from podready.runtime.requests.inflight import task as task
    from podready.runtime.settings import Secret as Secret
    from podready.runtime.settings import Settings as Settings
    from podready.runtime.settings import var as var
    from podready.runtime.wrap.wrap import wrap as wrap

__version__ = "0.1.0.dev0"

_FACE = {
    "Secret": "podready.runtime.settings",
    "Settings": "podready.runtime.settings",
    "broken": "podready.runtime.app.checks",
    "check": "podready.runtime.app.checks",
    "hook": "podready.runtime.app.hooks",
    "set_ready": "podready.runtime.app.checks",
    "shutdown_notice": "podready.runtime.app.shutdown_notice",
    "shutting_down": "podready.runtime.app.shutdown_notice",
    "task": "podready.runtime.requests.inflight",
    "var": "podready.runtime.settings",
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
