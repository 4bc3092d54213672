"""What a request to the next service carries on of the request under way.

For apps without an OpenTelemetry SDK, whose instrumented clients would do this by themselves:

    await client.get(url, headers=outgoing_headers())
"""

from __future__ import annotations

from podready.runtime.inflight import CURRENT


def outgoing_headers() -> dict[str, str]:
    """Return `traceparent`, `tracestate` and `x-request-id` for a call made by this request.

    The trace headers are there when the request itself brought them, or when `podready[otel]`
    records spans; outside a request there are none at all. Works in coroutines, and in threads
    that were given the request's context, as those of asyncio.to_thread and of WSGI apps are.
    """
    work = CURRENT.get()
    if work is None:
        return {}
    headers = {"x-request-id": work.request_id}
    if work.trace is not None:
        headers["traceparent"] = work.trace.header
        if work.trace.state:
            headers["tracestate"] = work.trace.state
    return headers
