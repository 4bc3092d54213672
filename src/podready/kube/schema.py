"""The fields of the kinds we serve: their types, merge keys and what is required, as data.

`schema.json` is made by scripts/vendor_kubernetes_schema.py from the Kubernetes API's own
definitions (Apache-2.0, see NOTICE beside it).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from podready.kube.meta import Object

_FILE = Path(__file__).with_name("schema.json")
_LIST, _MAP = "[]", "map[]"


@dataclass(frozen=True, slots=True)
class Type:
    """One type of the API: field -> word, as in `{"containers": "[]Container"}`."""

    name: str
    fields: Mapping[str, str]
    merge: Mapping[str, str] = field(default_factory=dict)
    """Lists that a strategic merge patch merges: field -> merge key ("" for plain values)."""
    retain: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def field_type(self, name: str) -> Type | None:
        """Return the type of a field's value (of its elements, for lists and maps)."""
        return types().get(element_word(self.fields.get(name, "")))


@cache
def types() -> Mapping[str, Type]:
    """Return every type by its short name; read once, in under a millisecond."""
    table = orjson.loads(_FILE.read_bytes())["types"]
    return {
        short: Type(
            entry["name"],
            entry["fields"],
            entry.get("merge", {}),
            tuple(entry.get("retain", ())),
            tuple(entry.get("required", ())),
        )
        for short, entry in table.items()
    }


def element_word(word: str) -> str:
    """Return `Container` for `[]Container` and for `map[]Container`."""
    for prefix in (_LIST, _MAP):
        word = word.removeprefix(prefix)
    return word


def unknown_fields(obj: Object) -> list[str]:
    """Return the paths of fields the object's kind does not have: `spec.template.spec.foo`.

    Kinds that are not in the table are taken as they are.
    """
    found = types().get(str(obj.get("kind")))
    return list(_unknown(obj, found, "")) if found else []


def _unknown(value: Mapping[str, Any], kind: Type, path: str) -> Iterator[str]:
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        word = kind.fields.get(name)
        if word is None:
            yield where
        else:
            yield from _unknown_inside(inner, word, where)


def _unknown_inside(value: Any, word: str, path: str) -> Iterator[str]:
    kind = types().get(element_word(word))
    if kind is None:
        return
    if word.startswith(_LIST) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_inside(item, word.removeprefix(_LIST), f"{path}[{index}]")
    elif word.startswith(_MAP) and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown_inside(item, word.removeprefix(_MAP), f"{path}.{key}")
    elif isinstance(value, dict):
        yield from _unknown(value, kind, path)


def prune_unknown(obj: Object) -> list[str]:
    """Take the unknown fields out of `obj`, in place, and return their paths."""
    paths = unknown_fields(obj)
    kind = types().get(str(obj.get("kind")))
    if paths and kind:
        _prune(obj, kind)
    return paths


def _prune(value: dict[str, Any], kind: Type) -> None:
    for name in [name for name in value if name not in kind.fields]:
        del value[name]
    for name, inner in value.items():
        typed = kind.field_type(name)
        if typed:
            _prune_inside(inner, kind.fields[name], typed)


def _prune_inside(value: Any, word: str, kind: Type) -> None:
    if word.startswith(_LIST):
        items = value if isinstance(value, list) else []
    elif word.startswith(_MAP):
        items = list(value.values()) if isinstance(value, dict) else []
    else:
        items = [value]
    for item in items:
        if isinstance(item, dict):
            _prune(item, kind)


@dataclass(frozen=True, slots=True)
class Mistyped:
    """A value of the wrong JSON type: where it is, what it is and what it should be."""

    path: str
    found: str
    wanted: str


def mistyped_fields(obj: Object) -> list[Mistyped]:
    """Return values whose JSON type is not the field's, such as `replicas: "3"`."""
    found = types().get(str(obj.get("kind")))
    return list(_mistyped(obj, found.name.rsplit(".", 1)[-1], "")) if found else []


def _mistyped(value: Any, word: str, path: str) -> Iterator[Mistyped]:
    if value is None:
        return
    wanted = _json_types(word)
    if (wanted and not isinstance(value, wanted)) or _is_misplaced_bool(value, word):
        yield Mistyped(path, _json_word(value), word)
    elif word.startswith(_LIST):
        for index, item in enumerate(value):
            yield from _mistyped(item, word.removeprefix(_LIST), f"{path}[{index}]")
    elif word.startswith(_MAP):
        for key, item in value.items():
            yield from _mistyped(item, word.removeprefix(_MAP), f"{path}.{key}")
    elif word in types():
        yield from _mistyped_members(value, types()[word], path)


def _mistyped_members(value: Mapping[str, Any], kind: Type, path: str) -> Iterator[Mistyped]:
    for name, item in value.items():
        if name in kind.fields:
            yield from _mistyped(item, kind.fields[name], f"{path}.{name}" if path else name)


_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (str,),
    "time": (str,),
    "microtime": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "int-or-string": (int, str),
    "quantity": (str, int, float),
}


def _json_types(word: str) -> tuple[type, ...]:
    if word.startswith(_LIST):
        return (list,)
    if word.startswith(_MAP) or word in types():
        return (dict,)
    return _SCALARS.get(word, ())


def _is_misplaced_bool(value: Any, word: str) -> bool:
    """Python's bool is an int; JSON's is not."""
    return isinstance(value, bool) and word in ("integer", "number", "int-or-string", "quantity")


def _json_word(value: Any) -> str:
    words = {bool: "bool", str: "string", list: "array", dict: "object"}
    return words.get(type(value), "number")
