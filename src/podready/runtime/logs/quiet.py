"""Which requests are worth no line: probes that passed in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.contract import LIVEZ, READYZ, STARTUPZ

if TYPE_CHECKING:
    from podready.runtime.logs.formats.shape import Request

PROBE_PATHS: Final = frozenset({LIVEZ, READYZ, STARTUPZ, "/healthz", "/health", "/metrics"})
SLOW_PROBE: Final = 1.0
"""Seconds after which a probe gets its line: the kubelet's default timeoutSeconds."""

_PROBERS: Final = ("kube-probe/", "GoogleHC/", "ELB-HealthChecker/")


def is_quiet(request: Request) -> bool:
    """Say whether this was a probe that passed, and in time as far as that is known."""
    if not 200 <= request.status < 300:
        return False
    probe = request.path in PROBE_PATHS or request.user_agent.startswith(_PROBERS)
    return probe and (request.seconds is None or request.seconds < SLOW_PROBE)
