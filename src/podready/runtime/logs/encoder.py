"""An event becomes one line of JSON, whatever is in it: the encoder never raises."""

from __future__ import annotations

import json
from collections.abc import Callable

from podready.runtime.logs.interrupts import let_pass
from podready.runtime.logs.sanitiser import sanitised
from podready.runtime.logs.values import Event, plain, text

_Dumps = Callable[[Event], bytes]


def encode(event: Event) -> bytes:
    """Return the event as one line of valid JSON with its newline.

    Values that no encoder takes (numbers over 64 bits, lone surrogates, circular or very deep
    containers, objects whose repr fails) are replaced, and `log_error` says why.
    """
    try:
        return _fast(event)
    except BaseException as error:  # noqa: BLE001 - an app must never fail because it logged
        let_pass(error)
        return _standard(sanitised(event, f"{type(error).__name__}: {text(error)}"[:200]))


def fastest() -> Callable[[Event], bytes]:
    """Return the encoder that takes most events, and raises for the rest: those `encode` takes."""
    return _fast


def orjson_options() -> int:
    """Return the options of orjson under which events are encoded, 0 where it is not in use."""
    return 0 if _fast is _standard else _options


def use_orjson() -> None:
    """Encode with orjson from now on where it is installed; it costs 20 ms to import."""
    global _fast, _options  # noqa: PLW0603 - one encoder per process, chosen once at start
    try:
        import orjson
    except ImportError:
        return
    native = _options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATACLASS
    lenient = native | orjson.OPT_NON_STR_KEYS

    def dumps(event: Event) -> bytes:
        try:
            return orjson.dumps(event, plain, native)
        except TypeError as error:  # most often a nested dict with numbers as keys
            if error.__cause__ is not None:
                raise  # of a value that was asked what it is
            return orjson.dumps(event, plain, lenient)

    _fast = dumps


def _standard(event: Event) -> bytes:
    line = json.dumps(
        event, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return line.encode() + b"\n"


_fast: _Dumps = _standard
_options = 0
