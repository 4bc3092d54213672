"""A message with its arguments, as `%` puts them together, whether or not they fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from podready.runtime.logs.interrupts import let_pass
from podready.runtime.logs.values import Event, text

ARGUMENTS: Final = "log_arguments"
"""The field that shows arguments that do not fit."""


def formatted(template: object, args: Any) -> tuple[str, Event]:
    """Return `template % args`, and no fields; else the template, and the arguments as a field.

    Never raises: that a value has a failing `__str__`, or a template has one place too many, is
    no reason to lose what was to be said.
    """
    words = text(template)
    try:
        return words % args, {}
    except BaseException as error:  # noqa: BLE001 - arguments that do not fit, or a failing __str__
        let_pass(error)
        shown = args if isinstance(args, Mapping) else list(args)
        return f"{words} (arguments do not fit: {type(error).__name__})", {ARGUMENTS: shown}
