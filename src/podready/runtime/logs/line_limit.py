"""Keeps a line below the size at which container runtimes cut it in two.

Docker, containerd and CRI-O split a line after 16 KiB, and neither half is JSON. Encoded JSON is
never cut here: the longest texts inside it are shortened, and where that is not enough, the app's
largest fields are left out, so that time, level, message and place stay. All of it is one pass over
sizes: a line may have thousands of fields that a client has chosen, and the event loop writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

DEFAULT_BYTES: Final = 16_000

_STACKS: Final = frozenset({"stack_trace", "exception.stacktrace", "error.stack_trace", "stack"})
_COMMON: Final = frozenset(
    {"trace_id", "span_id", "trace_sampled", "request_id", "log_error", "suppressed"}
    | {"serviceContext", "exception.type", "exception.message", "exception.stacktrace"}
    | {"http.response.status_code", "http.request.method", "http.server.request.duration"}
    | {"url.path", "client.address", "client.ip", "event.duration"}
)
"""Names of podready's that an app may use as well; each format adds its reserved ones."""

_PREFIXES: Final = ("logging.googleapis.com/", "code.", "http.", "user_agent.", "network.")
_MARK: Final = "...({} characters left out)..."
_MARK_BYTES: Final = 60
"""What a mark takes at most: its words, a number of 19 digits, two newlines."""

_SHORTEST: Final = 40
"""Bytes that are left of a text whatever happens; names and levels are shorter."""

_SHARE: Final = 16
"""A sixteenth of the limit is left of each reserved text before fields of the app go."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Text(NamedTuple):
    holder: Any  # the dictionary or list it is in
    key: Any
    whole: str
    size: int  # in bytes, as it is written

    def saves(self, bound: int) -> int:
        """Return how many bytes it saves to cut this text down to `bound` bytes."""
        return max(0, self.size - bound)


class _Field(NamedTuple):
    holder: dict[str, Any]
    name: str
    size: int  # in bytes, with its name
    texts: list[_Text]  # those inside that are long enough to be cut
    least: int  # bytes when all of them are as short as may be
    reserved: bool


def fitted(line: bytes, limit: int, reserved: frozenset[str] = frozenset()) -> bytes:
    """Return the line with its longest texts shortened, and marked with its original size.

    `limit` is in bytes, `reserved` are the names of the format that an app's field cannot have. One
    more field, `left_out`, names what had to be left out altogether.
    """
    marks = {"truncated": True, "original_bytes": len(line)}
    try:
        event: dict[str, Any] = json.loads(line)
        event.update(marks)
        _fit(event, reserved | marks.keys(), limit)
        return _encoded(event)
    except (ValueError, RecursionError) as error:  # not of our encoder: JSON that was printed
        return _encoded({**marks, "log_error": f"{type(error).__name__} while it was shortened"})


def _encoded(event: dict[str, Any]) -> bytes:
    return _bytes(event) + b"\n"


def _bytes(value: Any) -> bytes:
    return _encode(value).encode("utf-8", "backslashreplace")  # a lone surrogate as JSON has it


def _fit(event: dict[str, Any], reserved: frozenset[str], limit: int) -> None:
    """Leave fields out, then shorten texts, until the line is short enough by its sizes."""
    room = limit - len('{"attributes":{}}\n')
    share = max(limit // _SHARE, _SHORTEST + _MARK_BYTES)
    fields = list(_fields(event, reserved, share))
    if sum(field.least for field in fields) > room:
        names_room = limit // _SHARE
        room -= names_room + len(',"left_out":" and 1000000 more: 1000000000 bytes"')
        fields = _leave_out(event, fields, room, names_room)
    texts = [text for field in fields for text in field.texts]
    excess = sum(field.size for field in fields) - room
    if (bound := _bound(texts, excess)) < share:
        own = [text for field in fields if field.reserved for text in field.texts]
        excess -= sum(text.saves(share) for text in own)
        _shorten(own, share)
        texts = [text for field in fields if not field.reserved for text in field.texts]
        bound = _bound(texts, excess)
    _shorten(texts, bound)


def _fields(event: dict[str, Any], reserved: frozenset[str], share: int) -> Iterator[_Field]:
    """Measure each field once; OpenTelemetry's format keeps the app's in `attributes`."""
    holders = [event]
    if "severity_text" in event and isinstance(event.get("attributes"), dict):
        holders.append(event["attributes"])
        reserved |= event.keys()
    for holder in holders:
        for name, value in holder.items():
            if len(holders) == 2 and value is holders[1]:
                continue
            own = name in reserved or name in _COMMON or name.startswith(_PREFIXES)
            texts = list(_texts(holder, name, value))
            size = len(_bytes(name)) + len(_bytes(value)) + 2
            shortest = share if own else _SHORTEST + _MARK_BYTES
            least = size - sum(text.saves(shortest) for text in texts)
            yield _Field(holder, name, size, texts, least, own)


def _texts(holder: Any, key: Any, value: Any) -> Iterator[_Text]:
    """Find every text that is long enough to be cut."""
    if isinstance(value, str):
        size = len(_bytes(value)) if len(value) * 6 > _SHORTEST + _MARK_BYTES else 0
        if size > _SHORTEST + _MARK_BYTES:
            yield _Text(holder, key, value, size)
    elif isinstance(value, dict | list):
        pairs: Iterable[Any] = value.items() if isinstance(value, dict) else enumerate(value)
        for inner, each in pairs:
            if isinstance(each, str | dict | list):
                yield from _texts(value, inner, each)


def _leave_out(
    event: dict[str, Any], fields: list[_Field], room: int, names_room: int
) -> list[_Field]:
    """Take out the largest fields until the rest has room, reserved ones after all others."""
    later = fields[::-1]  # of equals the last ones go first
    victims = sorted(later, key=lambda field: (field.reserved, -field.least))
    excess = sum(field.least for field in fields) - room
    saved = accumulate(field.least for field in victims)
    count = next((n for n, bytes_ in enumerate(saved, 1) if bytes_ >= excess), len(victims))
    for field in victims[:count]:
        del field.holder[field.name]
    event["left_out"] = _names(victims[:count], names_room)
    return victims[count:]


def _names(fields: list[_Field], room: int) -> str:
    """Return what was left out, by as many names as take up to `room` bytes."""
    sizes = accumulate(len(_bytes(field.name)) for field in fields)
    shown = sum(size <= room for size in sizes)
    names = ", ".join(field.name for field in fields[:shown])
    rest = len(fields) - shown
    more = f"{f'{names} and ' if names else ''}{rest} more" if rest else names
    return f"{more}: {sum(field.size for field in fields)} bytes"


def _bound(texts: list[_Text], excess: int) -> int:
    """Return the common length in bytes to cut the longest texts to, so that `excess` is saved."""
    sizes = sorted((text.size for text in texts), reverse=True)
    for count, total in enumerate(accumulate(sizes), 1):
        following = sizes[count] if count < len(sizes) else 0
        if (bound := (total - excess) // count) >= following:
            return max(bound, _SHORTEST + _MARK_BYTES)
    return _SHORTEST + _MARK_BYTES


def _shorten(texts: list[_Text], bound: int) -> None:
    for text in texts:
        if text.size > bound:
            stack = text.key in _STACKS
            text.holder[text.key] = _cut(text.whole, bound - _MARK_BYTES, stack=stack)


def _cut(text: str, size: int, *, stack: bool) -> str:
    """Keep `size` bytes of the beginning; of a stack trace one third, and two thirds of its end."""
    if not stack:
        head = _beginning(text, size)
        return head + _MARK.format(len(text) - len(head))
    head = _beginning(text, size // 3)
    tail = _beginning(text[::-1], size - size // 3)[::-1]
    return f"{head}\n{_MARK.format(len(text) - len(head) - len(tail))}\n{tail}"


def _beginning(text: str, size: int) -> str:
    """Return the beginning of a text that takes up to `size` bytes in a line."""
    part = text[:size]
    while part and (taken := len(_bytes(part)) - 2) > size:
        part = part[: min(len(part) - 1, len(part) * size // taken)]
    return part
