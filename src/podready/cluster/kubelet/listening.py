"""Watches when a pod's ports begin and cease to accept connections, for the journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from podready.kube.meta import Object, dig

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.cluster.kubelet.context import PodContext

_BUSY_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 0.25
_PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")


def ports_of(spec: Object, exposed: tuple[int, ...] = ()) -> frozenset[int]:
    """Return the ports worth watching: containerPorts, numbers in probes, the image's EXPOSE."""
    found = set(exposed)
    for container in spec.get("containers") or ():
        found.update(port["containerPort"] for port in container.get("ports") or ())
        for probe in _PROBES:
            for action in ("httpGet", "tcpSocket"):
                port = dig(container, probe, action, "port")
                if isinstance(port, int):
                    found.add(port)
    return frozenset(found)


async def watch_listening(
    pod: PodContext, ports: frozenset[int], is_busy: Callable[[], bool]
) -> None:
    """Write a `listening` fact at each change, until cancelled.

    Looks every 20 ms while `is_busy` (starting or ending), and four times a second otherwise.
    """
    known = dict.fromkeys(sorted(ports), False)
    try:
        while True:
            _look(pod, known)
            await asyncio.sleep(_BUSY_SECONDS if is_busy() else _IDLE_SECONDS)
    finally:
        _look(pod, known)  # a server may have ended since the last look


def _look(pod: PodContext, known: dict[int, bool]) -> None:
    for port, before in known.items():
        now = pod.net.listening(port)
        if now != before:
            known[port] = now
            pod.note("listening", port=port, open=now)
