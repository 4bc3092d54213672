"""JSON patch (RFC 6902) and JSON merge patch (RFC 7396) over plain values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any


class PatchError(ValueError):
    """The patch is malformed or does not fit the object."""


class PatchTestError(PatchError):
    """A `test` operation found another value."""


def merge_patch(original: Any, patch: Any) -> Any:
    """Return `original` with an RFC 7396 patch: maps merge, null deletes, others replace."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(original) if isinstance(original, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(original: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Return `original` with RFC 6902 operations applied in order; all or nothing."""
    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise PatchError("a JSON patch is a list of operations")
    document = copy.deepcopy(original)
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: Mapping[str, Any]) -> Any:
    try:
        kind, path = operation["op"], operation["path"]
        if kind in ("add", "replace", "test"):
            return _BY_VALUE[kind](document, _steps(path), copy.deepcopy(operation["value"]))
        if kind == "remove":
            return _remove(document, _steps(path))
        if kind in ("move", "copy"):
            return _transfer(document, operation)
    except KeyError as missing:
        raise PatchError(f"operation without {missing}: {operation!r}") from None
    raise PatchError(f"unknown operation {kind!r}")


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise PatchError(f"path must start with '/': {path!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _transfer(document: Any, operation: Mapping[str, Any]) -> Any:
    source, target = _steps(operation["from"]), _steps(operation["path"])
    value = copy.deepcopy(_find(document, source))
    if operation["op"] == "move":
        document = _remove(document, source)
    return _add(document, target, value)


def _find(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(document, list):
            document = document[_index(document, step)]
        elif isinstance(document, Mapping) and step in document:
            document = document[step]
        else:
            raise PatchError(f"path does not exist: /{'/'.join(steps)}")
    return document


def _index(items: list[Any], step: str, *, end: int = 0) -> int:
    if not step.isdecimal() or int(step) >= len(items) + end:
        raise PatchError(f"no element {step!r} in a list of {len(items)}")
    return int(step)


def _add(document: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _find(document, steps[:-1]), steps[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(parent, last, end=1), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise PatchError(f"path does not exist: /{'/'.join(steps)}")
    return document


def _replace(document: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _find(document, steps[:-1]), steps[-1]
    _find(document, steps)
    parent[_index(parent, last) if isinstance(parent, list) else last] = value
    return document


def _remove(document: Any, steps: Sequence[str]) -> Any:
    _find(document, steps)
    if not steps:
        return None
    parent, last = _find(document, steps[:-1]), steps[-1]
    del parent[_index(parent, last) if isinstance(parent, list) else last]
    return document


def _test(document: Any, steps: Sequence[str], value: Any) -> Any:
    if _find(document, steps) != value:
        raise PatchTestError(f"testing value /{'/'.join(steps)} failed")
    return document


_BY_VALUE = {"add": _add, "replace": _replace, "test": _test}
