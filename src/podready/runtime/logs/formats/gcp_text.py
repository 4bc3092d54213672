"""Format `gcp` put together as text: the short way for a line without details.

Nearly every line is a message and some fields. Its head is a few pieces that were encoded once,
and the fields are encoded as they came, so no dictionary is copied. Whatever is unusual goes the
general way, `gcp.shaper`, which makes the same object; a test holds one against the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from podready.runtime.logs.context_fields import SOURCES, context
from podready.runtime.logs.formats.gcp import labels_text, named_trace, trace_prefix
from podready.runtime.logs.formats.timestamp import NO_SECOND, THOUSAND, second_of
from podready.runtime.logs.interrupts import let_pass
from podready.runtime.logs.values import Event, plain
from podready.runtime.severity import LEVELS

if TYPE_CHECKING:
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.formats.shape import Line
    from podready.runtime.logs.redaction import Redaction

_MOST_LOGGERS: Final = 4096
_THOUSAND: Final = tuple(text.encode() for text in THOUSAND)
_BRACE: Final = ord("{")
_AT: Final = ord("@")


def short_way(  # noqa: C901 - the innermost loop: a call costs more than a branch
    service: Service, redaction: Redaction, options: int, limit: int, general_way: Line
) -> Line:
    """Return the function that makes such lines, and leaves the others to `general_way`.

    `options` are those of orjson, `limit` the longest line in bytes. This is the innermost loop of
    the log: what it needs is at hand as a local name, and the common line calls next to nothing
    but C.
    """
    begins = {level: f'{{"severity":"{word}","message":'.encode() for word, level in LEVELS.items()}
    loggers: dict[str, bytes] = {}
    labels = labels_text(service).encode()
    traces = trace_prefix(service)
    is_harmless, hides, dumps = redaction.harmless.issuperset, redaction.hides_behind, orjson.dumps
    bound_fields, sources = context.get, SOURCES
    present = (NO_SECOND[0], b"")

    def line(level: int, message: str, logger: str, seconds: float, fields: Event) -> bytes:
        nonlocal present
        given = fields
        try:
            if bound := bound_fields():
                fields = {**bound, **fields}
            for source in sources:
                if found := source():
                    fields = {**found, **fields}
            if is_harmless(fields):
                if traces and "trace_id" in fields:
                    fields = {**fields, **named_trace(fields, traces)}
                rest = dumps(fields, plain, options)[1:] if fields else b"}\n"
                begin, time = present
                micros = int(seconds * 1_000_000) - begin
                if not 0 <= micros < 1_000_000:
                    begin, time = present = _second(seconds)
                    micros = int(seconds * 1_000_000) - begin
                whole = b"".join(
                    (
                        begins[level],
                        dumps(message),
                        time,
                        _THOUSAND[micros // 1000],
                        _THOUSAND[micros % 1000],
                        loggers.get(logger) or named(logger),
                        b"," if fields else b"",
                        rest,
                    )
                )
                if len(whole) <= limit and not (
                    (_BRACE in rest and hides(rest, fields)) or (_AT in whole and b"://" in whole)
                ):
                    return whole
        except BaseException as error:  # noqa: BLE001 - the general way knows what to do
            let_pass(error)
        return general_way(level, message, logger, seconds, given)

    def named(logger: str) -> bytes:
        end = b'Z","logger":' + orjson.dumps(logger) + labels
        if len(loggers) < _MOST_LOGGERS:
            loggers[logger] = end
        return end

    return line


def _second(seconds: float) -> tuple[int, bytes]:
    begin, text = second_of(seconds)
    return begin, f',"time":"{text}'.encode()
