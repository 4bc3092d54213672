"""The headers that a request to the next service takes over from the current request.

For apps without an OpenTelemetry SDK, whose instrumented clients would do this by themselves:

    await client.get(url, headers=outgoing_headers())
"""

from __future__ import annotations

from podready.runtime.requests.inflight import CURRENT


def outgoing_headers() -> dict[str, str]:
    """Return `traceparent`, `tracestate` and `x-request-id` for a call made by this request.

    The request's own span is the parent of what is called; a request that brought no trace begins
    one, which is not sampled. Outside a request there are no headers at all. Works in coroutines,
    and in threads that were given the request's context, as those of asyncio.to_thread and of WSGI
    apps are.
    """
    item = CURRENT.get()
    if item is None:
        return {}
    headers = {"x-request-id": item.request_id}
    trace = item.trace
    if trace is not None:
        headers["traceparent"] = trace.header
        if trace.state:
            headers["tracestate"] = trace.state
    return headers
