"""The trace and the request id of the current request, for calls to other services.

    from podready.tracing import outgoing_headers

    await client.get("http://stock/items/7", headers=outgoing_headers())

An HTTP client that OpenTelemetry instruments sends the trace by itself.
"""

from __future__ import annotations

from podready.runtime.requests.propagation import outgoing_headers

__all__ = ["outgoing_headers"]
