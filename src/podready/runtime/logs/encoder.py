"""Objects become JSON, whatever is in them: with orjson, else with the standard library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from podready.runtime.logs.sanitiser import sanitised
from podready.runtime.logs.values import Event, plain, text

Dumps = Callable[..., bytes]
"""value, default, options -> JSON, called as `orjson.dumps` is; raises for what it cannot take."""


class Encoder(NamedTuple):
    """One way to make JSON."""

    raw: Dumps  # the quickest, which takes most events; called with `plain` and these options
    options: int  # of orjson; 0: the standard library's
    dumps: Dumps  # takes any scalar as a key

    def encode(self, event: Event) -> bytes:
        """Return the event as one line of valid JSON with its newline; raises no Exception.

        Values that no encoder takes (numbers over 64 bits, lone surrogates, circular or very deep
        containers, objects whose repr fails) are replaced, and `log_error` gives the reason.
        """
        try:
            return self.dumps(event) + b"\n"
        except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
            reraise_interrupt(error)
            return safe_dumps({**event, "log_error": reason(error)}) + b"\n"


def json_dumps(value: object, _default: object = plain, _options: int = 0) -> bytes:
    """Return the JSON of a value, made by the standard library."""
    return json.dumps(
        value, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def safe_dumps(value: object, _default: object = plain, _options: int = 0) -> bytes:
    """Return the JSON of any value: what no encoder takes is replaced."""
    return json_dumps(sanitised(value))


JSON: Final = Encoder(json_dumps, 0, json_dumps)
"""The standard library's encoder."""


def orjson_encoder() -> Encoder:
    """Return orjson's encoder, or JSON where it is not installed; it costs 20 ms to import."""
    try:
        import orjson
    except ImportError:
        return JSON
    options = orjson.OPT_PASSTHROUGH_DATACLASS
    any_key = options | orjson.OPT_NON_STR_KEYS

    def dumps(value: object, _default: object = plain, _options: int = 0) -> bytes:
        try:
            return orjson.dumps(value, plain, options)
        except TypeError as error:  # most often a nested dict with numbers as keys
            if error.__cause__ is not None:
                raise  # of a value that was asked what it is
            return orjson.dumps(value, plain, any_key)

    return Encoder(orjson.dumps, options, dumps)


def reason(error: Exception) -> str:
    """Return the text of `log_error` for an exception."""
    return f"{type(error).__name__}: {text(error)}"[:200]


def reraise_interrupt(error: Exception) -> None:
    """Raise Ctrl-C or SystemExit again, which orjson turns into a TypeError of its own."""
    cause = error.__cause__
    if cause is not None and not isinstance(cause, Exception):
        raise cause
