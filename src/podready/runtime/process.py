"""All state that podready keeps in a process of an app, in one object.

`RUNTIME` is the process's own, as `logging.root` is for logging, and the functions that an app
calls are its methods. Whatever needs a part of it gets that part from the worker or from `wrap`, so
a test makes a `Runtime` of its own. Only the item in flight that the running code belongs to is
apart: a context variable, `requests.inflight.CURRENT`.
"""

from __future__ import annotations

from typing import Final

from podready.runtime.app.health import AppHealth
from podready.runtime.app.registry import AppRegistry
from podready.runtime.app.shutdown_notice import ShutdownNotice
from podready.runtime.metrics.counters import Counters
from podready.runtime.requests.inflight import InFlight


class Runtime:
    """What podready keeps in one process.

    `managed` is set where `podready run` serves the app, and `wrapped` holds what `podready.wrap`
    has begun, once for the process however often it is called.
    """

    def __init__(self) -> None:
        self.registry = AppRegistry()
        self.health = AppHealth()
        self.shutdown = ShutdownNotice()
        self.in_flight = InFlight()
        self.counters = Counters()
        self.managed = False
        self.wrapped: object | None = None


RUNTIME: Final = Runtime()
"""This process's runtime."""

check = RUNTIME.registry.check
warmup = RUNTIME.registry.warmup
on_shutdown = RUNTIME.registry.on_shutdown
set_ready = RUNTIME.health.set_ready
mark_unhealthy = RUNTIME.health.mark_unhealthy
mark_healthy = RUNTIME.health.mark_healthy
shutting_down = RUNTIME.shutdown.shutting_down
wait_for_shutdown = RUNTIME.shutdown.wait_for_shutdown
track = RUNTIME.in_flight.track
