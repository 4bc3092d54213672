"""Types of modules that are imported only by apps that use them.

pathlib alone would cost a third of the time that settings take at start, so no module is
imported here: a type can only be in a hint if its module is loaded already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

Read = Callable[[str], Any]


def reader_of(hint: Any) -> tuple[str, Read] | None:
    """Return the displayed name of a type and its reader; None for any other type."""
    for (module, attribute), (name, make) in _TYPES.items():
        loaded = sys.modules.get(module)
        if loaded is not None and getattr(loaded, attribute, None) is hint:
            return name, make(hint)
    return None


def _checked(article: str, example: str, *, iso: bool = False) -> Callable[[Any], Read]:
    """Return a maker of readers whose errors say what was expected, never the value."""

    def reader(hint: Any) -> Read:
        make = hint.fromisoformat if iso else hint

        def read(text: str) -> Any:
            try:
                return make(text)
            except Exception:  # noqa: BLE001 - decimal and zoneinfo have errors of their own
                raise ValueError(f"is not {article} such as {example}") from None

        return read

    return reader


def _path(hint: Any) -> Read:
    def read(text: str) -> Any:
        if "\0" in text:
            raise ValueError("is not a path: it contains a null character")
        return hint(text)

    return read


def _number(hint: Any) -> Read:
    read = _checked("a number", "12.50")(hint)

    def finite(text: str) -> Any:
        number = read(text)
        if not number.is_finite():
            raise ValueError("is not a finite number")
        return number

    return finite


def _duration(_hint: Any) -> Read:
    from podready.values.durations import parse_timedelta

    def read(text: str) -> Any:
        try:
            return parse_timedelta(text)
        except ValueError as error:
            raise ValueError(f"is not {error}") from None

    return read


def _size(hint: Any) -> Read:
    return hint.parse  # type: ignore[no-any-return]  # ByteSize.parse


def _level(_hint: Any) -> Read:
    from podready.runtime.settings.types.levels import parse_level

    return parse_level


def _itself(hint: Any) -> Read:
    return hint  # type: ignore[no-any-return]  # its constructor reads texts


_TYPES: Final[dict[tuple[str, str], tuple[str, Callable[[Any], Read]]]] = {
    ("pathlib", "Path"): ("path", _path),
    ("pathlib", "PurePath"): ("path", _path),
    ("pathlib", "PurePosixPath"): ("path", _path),
    ("datetime", "timedelta"): ("duration", _duration),
    ("datetime", "datetime"): (
        "date and time",
        _checked("a date and time", "2026-01-31T12:00:00Z", iso=True),
    ),
    ("datetime", "date"): ("date", _checked("a date", "2026-01-31", iso=True)),
    ("datetime", "time"): ("time", _checked("a time of day", "23:59", iso=True)),
    ("decimal", "Decimal"): ("decimal", _number),
    ("uuid", "UUID"): ("uuid", _checked("a UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
    ("zoneinfo", "ZoneInfo"): ("time zone", _checked("a time zone", "Europe/Madrid")),
    ("ipaddress", "IPv4Address"): ("IPv4 address", _checked("an IPv4 address", "10.0.0.1")),
    ("ipaddress", "IPv6Address"): ("IPv6 address", _checked("an IPv6 address", "fd00::1")),
    ("ipaddress", "IPv4Network"): ("IPv4 network", _checked("an IPv4 network", "10.0.0.0/8")),
    ("ipaddress", "IPv6Network"): ("IPv6 network", _checked("an IPv6 network", "fd00::/8")),
    ("ipaddress", "IPv4Interface"): (
        "IPv4 interface",
        _checked("an IPv4 interface", "10.0.0.1/24"),
    ),
    ("ipaddress", "IPv6Interface"): (
        "IPv6 interface",
        _checked("an IPv6 interface", "fd00::1/64"),
    ),
    ("podready.runtime.settings.types.sizes", "ByteSize"): ("size", _size),
    ("podready.runtime.settings.types.levels", "LogLevel"): ("log level", _level),
    ("podready.runtime.settings.types.urls", "Url"): ("url", _itself),
}
"""Module and attribute -> the type's displayed name, and what makes its reader.

test_settings_docs.py holds docs/reference/settings.md against this table.
"""
