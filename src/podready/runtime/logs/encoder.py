"""An event becomes one line of JSON, whatever is in it: the encoder never raises."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

Event = dict[str, Any]
_Dumps = Callable[[Event], bytes]


def encode(event: Event) -> bytes:
    """Return the event as one line of valid JSON with its newline.

    Values that no encoder takes (numbers over 64 bits, lone surrogates, circular or very deep
    containers, objects whose repr fails) are replaced, and `log_error` says why.
    """
    try:
        return _fast(event)
    except BaseException as error:  # noqa: BLE001 - an app must never fail because it logged
        from podready.runtime.logs.interrupts import let_pass
        from podready.runtime.logs.sanitiser import sanitised

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


def plain(value: object) -> object:
    """Return something JSON knows for an object that it does not know."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):  # as an object it is looked into for secrets, as a text not
        return dict(value.items())
    if isinstance(value, tuple | list):  # of a class that the encoder does not know
        return by_names(value) or list(value)
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "isoformat"):
        return text(value.isoformat())
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {text(value)}"
    return text(value)


def by_names(value: object) -> dict[str, object] | None:
    """Return what a named tuple holds by its names, None for all else."""
    names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    if not isinstance(value, tuple) or not isinstance(names, tuple) or len(names) != len(value):
        return None
    return {str(name): each for name, each in zip(names, value, strict=True)}


def text(value: object) -> str:
    """Return `str(value)` or say why there is none; never raises."""
    try:
        return str(value)
    except BaseException as error:  # noqa: BLE001 - a failing __str__ belongs to the user's class
        from podready.runtime.logs.interrupts import let_pass

        let_pass(error)
        return f"<{type(value).__name__} whose str() raised {type(error).__name__}>"
