"""podready makes a Python web application container- and Kubernetes-ready, and proves it.

The names below are the whole public face. They are resolved on first use, so that
`import podready` costs nothing in a pod that needs only one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.foreign.wrapping import wrap as wrap
    from podready.runtime.hooks import hook as hook
    from podready.runtime.hooks import warmup as warmup
    from podready.runtime.inflight import task as task
    from podready.runtime.notice import shutdown_notice as shutdown_notice
    from podready.runtime.notice import shutting_down as shutting_down
    from podready.runtime.probes import broken as broken
    from podready.runtime.probes import check as check
    from podready.runtime.probes import set_ready as set_ready
    from podready.runtime.settings import Secret as Secret
    from podready.runtime.settings import Settings as Settings
    from podready.runtime.settings import var as var

__version__ = "0.1.0.dev0"

_FACE = {
    "Secret": "podready.runtime.settings",
    "Settings": "podready.runtime.settings",
    "broken": "podready.runtime.probes",
    "check": "podready.runtime.probes",
    "hook": "podready.runtime.hooks",
    "set_ready": "podready.runtime.probes",
    "shutdown_notice": "podready.runtime.notice",
    "shutting_down": "podready.runtime.notice",
    "task": "podready.runtime.inflight",
    "var": "podready.runtime.settings",
    "warmup": "podready.runtime.hooks",
    "wrap": "podready.runtime.foreign.wrapping",
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
