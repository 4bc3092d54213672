"""What any object is in a line: the values that JSON knows, and texts that never raise."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

Event = dict[str, Any]
"""The object that becomes one line, or the fields that an app adds to it."""


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
    except Exception as error:  # noqa: BLE001 - a failing __str__ belongs to the user's class
        return f"<{type(value).__name__} whose str() raised {type(error).__name__}>"


ARGUMENTS: Final = "log_arguments"
"""The field that shows arguments that do not fit."""


def formatted(template: object, args: Any) -> tuple[str, Event]:
    """Return `template % args`, and no fields; else the template, and the arguments as a field.

    Raises no Exception: neither a failing `__str__` nor a template with one place too many is a
    reason to lose the message.
    """
    words = text(template)
    try:
        return words % args, {}
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, or a failing __str__
        shown = args if isinstance(args, Mapping) else list(args)
        return f"{words} (arguments do not fit: {type(error).__name__})", {ARGUMENTS: shown}
