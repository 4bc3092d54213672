"""The fast path of a line: for events that need no redaction, no cutting and no replacing.

Nearly every line takes it: the fields are encoded as they came, and what they are is read from
their JSON. What is unusual goes to `fallback`, which may be slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.logs.context_fields import context
from podready.runtime.logs.encoder import reraise_interrupt
from podready.runtime.logs.values import plain

if TYPE_CHECKING:
    from podready.runtime.logs.context_fields import Source
    from podready.runtime.logs.encoder import Encoder
    from podready.runtime.logs.formats.gcp import GcpFormat
    from podready.runtime.logs.formats.parts import MakeLine, More
    from podready.runtime.logs.redaction import Redaction
    from podready.runtime.logs.values import Event

_BRACE: Final = ord("{")
_AT: Final = ord("@")


def fast_line(
    format_: GcpFormat,
    encoder: Encoder,
    sources: list[Source],
    redaction: Redaction,
    limit: int,
    fallback: MakeLine,
) -> MakeLine:
    """Return the function that makes such lines; `limit` is the longest line in bytes."""
    compose = format_.composer(encoder.raw)
    traces, named_trace = format_.traces, format_.named_trace
    is_safe, may_hide = redaction.known_safe.issuperset, redaction.may_hide
    dumps, options, bound_fields = encoder.raw, encoder.options, context.get

    def line(
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More = None,
    ) -> bytes:
        logged = fields
        try:
            if bound := bound_fields():
                fields = {**bound, **fields}
            for source in sources:
                if found := source():
                    fields = {**found, **fields}
            if is_safe(fields):
                if traces and "trace_id" in fields:
                    fields = {**fields, **named_trace(fields)}
                rest = dumps(fields, plain, options)[1:] if fields else b"}"
                whole = compose(level, message, logger, seconds, rest, more)
                hidden = _BRACE in rest and may_hide(rest, fields)
                if not (hidden or len(whole) > limit or (_AT in whole and b"://" in whole)):
                    return whole
        except Exception as error:  # noqa: BLE001 - the fallback replaces what failed
            reraise_interrupt(error)
        return fallback(level, message, logger, seconds, logged, more)

    return line
