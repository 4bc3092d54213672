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
    """One type of the API: field -> type name, as in `{"containers": "[]Container"}`."""

    name: str
    fields: Mapping[str, str]
    merge: Mapping[str, str] = field(default_factory=dict)
    """Lists that a strategic merge patch merges: field -> merge key ("" for plain values)."""
    retain: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def field_type(self, name: str) -> Type | None:
        """Return the type of a field's value (of its elements, for lists and maps)."""
        return types().get(element_type(self.fields.get(name, "")))


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


def element_type(type_name: str) -> str:
    """Return `Container` for `[]Container` and for `map[]Container`."""
    for prefix in (_LIST, _MAP):
        type_name = type_name.removeprefix(prefix)
    return type_name


def unknown_fields(obj: Object) -> list[str]:
    """Return the paths of fields the object's kind does not have: `spec.template.spec.foo`.

    Kinds that are not in the table are taken as they are.
    """
    found = types().get(str(obj.get("kind")))
    return list(_unknown(obj, found, "")) if found else []


def _unknown(value: Mapping[str, Any], kind: Type, path: str) -> Iterator[str]:
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        type_name = kind.fields.get(name)
        if type_name is None:
            yield where
        else:
            yield from _unknown_inside(inner, type_name, where)


def _unknown_inside(value: Any, type_name: str, path: str) -> Iterator[str]:
    kind = types().get(element_type(type_name))
    if kind is None:
        return
    if type_name.startswith(_LIST) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_inside(item, type_name.removeprefix(_LIST), f"{path}[{index}]")
    elif type_name.startswith(_MAP) and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown_inside(item, type_name.removeprefix(_MAP), f"{path}.{key}")
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


def _prune_inside(value: Any, type_name: str, kind: Type) -> None:
    if type_name.startswith(_LIST):
        items = value if isinstance(value, list) else []
    elif type_name.startswith(_MAP):
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


def _mistyped(value: Any, type_name: str, path: str) -> Iterator[Mistyped]:
    if value is None:
        return
    wanted = _json_types(type_name)
    if (wanted and not isinstance(value, wanted)) or _is_misplaced_bool(value, type_name):
        yield Mistyped(path, _json_type(value), type_name)
    elif type_name.startswith(_LIST):
        for index, item in enumerate(value):
            yield from _mistyped(item, type_name.removeprefix(_LIST), f"{path}[{index}]")
    elif type_name.startswith(_MAP):
        for key, item in value.items():
            yield from _mistyped(item, type_name.removeprefix(_MAP), f"{path}.{key}")
    elif type_name in types():
        yield from _mistyped_members(value, types()[type_name], path)


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


def _json_types(type_name: str) -> tuple[type, ...]:
    if type_name.startswith(_LIST):
        return (list,)
    if type_name.startswith(_MAP) or type_name in types():
        return (dict,)
    return _SCALARS.get(type_name, ())


def _is_misplaced_bool(value: Any, type_name: str) -> bool:
    """Python's bool is an int; JSON's is not."""
    return isinstance(value, bool) and type_name in (
        "integer",
        "number",
        "int-or-string",
        "quantity",
    )


def _json_type(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")
