"""Keeps a line below the size at which container runtimes cut it in two.

Docker, containerd and CRI-O split a line after 16 KiB, and whoever reads it as JSON then reads two
broken halves. Encoded JSON is never cut here: the longest texts inside it are shortened until the
whole fits, so that a line stays an object with all its names.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

DEFAULT_BYTES: Final = 16_000

_STACKS: Final = frozenset({"stack_trace", "exception.stacktrace", "error.stack_trace", "stack"})
_MARK: Final = "...({} characters left out)..."
_ROUNDS: Final = 6
_SHORTEST: Final = 40
"""Characters that are left of a text whatever happens; names and levels are shorter."""


class _Text(NamedTuple):
    holder: Any  # the dictionary or list it is in
    key: Any
    whole: str


def fitted(line: bytes, limit: int) -> bytes:
    """Return the line with its longest texts shortened, and marked with its original size."""
    event: dict[str, Any] = json.loads(line)
    event["truncated"] = True
    event["original_bytes"] = len(line)
    texts = _texts(event)
    excess = len(_encoded(event)) - limit
    for _ in range(_ROUNDS):
        _shorten(texts, excess)
        shorter = _encoded(event)
        if len(shorter) <= limit:
            return shorter
        excess += len(shorter) - limit
    return _without_largest(event, limit)


def _encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _shorten(texts: list[_Text], excess: int) -> None:
    """Cut the longest texts down to one common length that saves `excess` bytes."""
    longest = sorted(texts, key=lambda text: len(text.whole), reverse=True)
    total = 0
    for count, text in enumerate(longest, 1):
        total += len(text.whole) - len(_MARK)
        following = len(longest[count].whole) if count < len(longest) else 0
        if (total - excess) // count >= following or count == len(longest):
            length = max((total - excess) // count, _SHORTEST)
            for each in longest[:count]:
                each.holder[each.key] = _cut(each.whole, length, stack=each.key in _STACKS)
            return


def _cut(text: str, length: int, *, stack: bool) -> str:
    """Keep the beginning of a text; of a stack trace one third, and two thirds of its end."""
    if len(text) <= length:
        return text
    mark = _MARK.format(len(text) - length)
    head = length // 3 if stack else length
    tail = text[-(length - head) :] if stack else ""
    return f"{text[:head]}\n{mark}\n{tail}" if stack else f"{text[:head]}{mark}"


def _texts(node: Any) -> list[_Text]:
    """Return every text that is long enough to be cut."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    found: list[_Text] = []
    for key, value in pairs:
        if isinstance(value, str):
            if len(value) > _SHORTEST + len(_MARK):
                found.append(_Text(node, key, value))
        elif isinstance(value, dict | list):
            found += _texts(value)
    return found


def _without_largest(event: dict[str, Any], limit: int) -> bytes:
    """Leave out whole values, largest first: thousands of numbers, or of short texts."""
    sizes = {key: len(json.dumps(value)) + len(key) for key, value in event.items()}
    for key in sorted(sizes, key=lambda key: sizes[key], reverse=True):
        del event[key]
        if len(key) < _SHORTEST * 5:
            event[key] = f"left out: {sizes[key]} bytes"
        line = _encoded(event)
        if len(line) <= limit:
            return line
    return _encoded({"truncated": True})
