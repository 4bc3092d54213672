"""Lists and maps that are written as JSON, divided into the texts of their items."""

from __future__ import annotations

import json
from typing import Any


def items_of(text: str) -> list[str]:
    """Return the items of a JSON array; ValueError for any other text."""
    array = _loaded(text)
    if not isinstance(array, list):
        raise ValueError("is not a JSON array")  # noqa: TRY004 - the text is wrong, not a type
    return [_text(item) for item in array]


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Return the keys and values of a JSON object; ValueError for any other text."""
    document = _loaded(text)
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - the text is wrong, not a type
    return [(key, _text(value)) for key, value in document.items()]


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except LookupError as error:
        raise ValueError(error.args[0]) from None
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise LookupError("has a key twice")
    return mapping


def _text(item: Any) -> str:
    if item is None:
        raise ValueError("has an item null")
    return item if isinstance(item, str) else json.dumps(item)
