"""The spans of the app's own OpenTelemetry SDK, in a process that has imported it."""

from __future__ import annotations

from typing import Any, Final

from podready.runtime.tracing.context import TraceContext

_RANDOM: Final = 2
"""A flag of level 2 of the specification, which not every SDK knows by name."""


def app_traces() -> bool:
    """Return whether this process has a tracer provider of OpenTelemetry's SDK."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    return isinstance(trace.get_tracer_provider(), TracerProvider)


def current_span() -> TraceContext | None:
    """Return the OpenTelemetry span that the app or a library has begun here, None without one."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return span_context(context) if context.is_valid else None


def span_context(span: Any) -> TraceContext:
    """Return the ids of an OpenTelemetry `SpanContext`."""
    return TraceContext(
        f"{span.trace_id:032x}",
        f"{span.span_id:016x}",
        span.trace_flags.sampled,
        span.trace_state.to_header(),
        bool(span.trace_flags & _RANDOM),
    )
