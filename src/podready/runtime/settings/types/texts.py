"""A value of a settings class as the text that it would be in the environment."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from podready.runtime.settings.secret import Secret

if TYPE_CHECKING:
    from podready.runtime.settings.variable import Declaration


def text_of(value: Any, declared: Declaration) -> str:
    """Return the text that the variable's parser reads back as `value`."""
    if isinstance(value, Secret):
        return text_of(value.reveal(), declared)
    if isinstance(value, dict):
        pairs = {_scalar(key): _scalar(item) for key, item in value.items()}
        texts = [f"{key}{declared.key_separator}{item}" for key, item in pairs.items()]
        clear = all(_survives(text, declared.separator) for text in texts)
        clear = clear and all(_survives(key, declared.key_separator) for key in pairs)
        clear = clear and all(item == item.strip() for item in pairs.values())
        return declared.separator.join(texts) if clear else _json(pairs)
    if isinstance(value, list | tuple | set | frozenset):
        texts = [_scalar(item) for item in value]
        clear = all(text and _survives(text, declared.separator) for text in texts)
        return declared.separator.join(texts) if clear else _json(texts)
    return _scalar(value)


def _survives(text: str, separator: str) -> bool:
    """Say whether an item can be found again between separators."""
    return text == text.strip() and separator not in text and not text.startswith(("[", "{"))


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if type(value).__name__ == "LogLevel":
        return str(value.name).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if type(value).__name__ == "timedelta":
        from podready.values.durations import format_timedelta

        return format_timedelta(value)
    if type(value).__name__ == "ByteSize":
        from podready.values.sizes import format_size

        return format_size(value)
    if isinstance(value, dict | list | tuple):
        return _json(value)
    return str(value)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, default=str)
