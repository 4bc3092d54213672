"""Measuring requests on many threads at once, as WSGI servers serve them.

A cell has one writer; where threads share it, each step is taken under one lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from podready.runtime.requests.instrumentation import Instrumentation

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Scope
    from podready.runtime.metrics.http import HttpMetrics
    from podready.runtime.requests.request import HttpRequest
    from podready.runtime.requests.wsgi_request import WsgiRequest
    from podready.runtime.tracing.spans import Tracing


class LockedInstrumentation(Instrumentation):
    """An instrumentation for any thread."""

    def __init__(self, metrics: HttpMetrics | None = None, tracing: Tracing | None = None) -> None:
        super().__init__(metrics, tracing)
        self._lock = threading.Lock()

    def begin(self, request: HttpRequest | WsgiRequest, scope: Scope) -> None:
        """Begin to measure a request."""
        with self._lock:
            super().begin(request, scope)

    def end(
        self, request: HttpRequest | WsgiRequest, scope: Scope, failure: BaseException | None
    ) -> None:
        """Count the request and end its span."""
        with self._lock:
            super().end(request, scope, failure)
