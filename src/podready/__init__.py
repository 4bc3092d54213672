"""podready makes a Python web application container- and Kubernetes-ready, and proves it.

Public are the names below and the modules `podready.checks`, `podready.tracing` and
`podready.errors`; docs/reference/python-api.md lists them. All other modules are private. The names
are resolved on first use, so that `import podready` costs nothing in a pod that needs only one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready._version import __version__ as __version__
    from podready.runtime.process import check as check
    from podready.runtime.process import mark_healthy as mark_healthy
    from podready.runtime.process import mark_unhealthy as mark_unhealthy
    from podready.runtime.process import on_shutdown as on_shutdown
    from podready.runtime.process import set_ready as set_ready
    from podready.runtime.process import shutting_down as shutting_down
    from podready.runtime.process import track as track
    from podready.runtime.process import wait_for_shutdown as wait_for_shutdown
    from podready.runtime.process import warmup as warmup
    from podready.runtime.settings.base import Settings as Settings
    from podready.runtime.settings.secret import Secret as Secret
    from podready.runtime.settings.variable import var as var
    from podready.runtime.wrap.wrap import wrap as wrap

_FACE = {
    "Secret": "podready.runtime.settings.secret",
    "Settings": "podready.runtime.settings.base",
    "__version__": "podready._version",
    "check": "podready.runtime.process",
    "mark_healthy": "podready.runtime.process",
    "mark_unhealthy": "podready.runtime.process",
    "on_shutdown": "podready.runtime.process",
    "set_ready": "podready.runtime.process",
    "shutting_down": "podready.runtime.process",
    "track": "podready.runtime.process",
    "var": "podready.runtime.settings.variable",
    "wait_for_shutdown": "podready.runtime.process",
    "warmup": "podready.runtime.process",
    "wrap": "podready.runtime.wrap.wrap",
}

_RENAMED = {
    "broken": "mark_unhealthy",
    "hook": "on_shutdown",
    "shutdown_notice": "wait_for_shutdown",
    "task": "track",
}

__all__ = [
    "Secret",
    "Settings",
    "__version__",
    "check",
    "mark_healthy",
    "mark_unhealthy",
    "on_shutdown",
    "set_ready",
    "shutting_down",
    "track",
    "var",
    "wait_for_shutdown",
    "warmup",
    "wrap",
]


def __getattr__(name: str) -> Any:
    """Import the module that owns `name` and return it (PEP 562)."""
    if name in _RENAMED:
        raise _renamed(name)
    if name not in _FACE:
        raise AttributeError(f"module 'podready' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FACE[name]), name)
    return found


def _renamed(name: str) -> Exception:
    """Return the error that names the successor of `name`.

    `from podready import NAME` replaces an AttributeError by an ImportError of its own, without
    the sentence; it looks for the attribute from a function of importlib's, where it gets ours.
    """
    sentence = f"podready.{name} is now called podready.{_RENAMED[name]}"
    by_from_import = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    return ImportError(sentence, name="podready") if by_from_import else AttributeError(sentence)


def __dir__() -> list[str]:
    """Return the public names only."""
    return sorted(__all__)
