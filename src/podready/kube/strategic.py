"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

Rules and directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`)
as in k8s.io/apimachinery/pkg/util/strategicpatch; merge keys from `podready.kube.schema`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from podready.kube.patch import PatchError
from podready.kube.schema import Type, types

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_DIRECTIVES = ("$patch", "$retainKeys", _ORDER, _DELETE)


def strategic_merge(original: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `original` with the patch applied; merge keys follow the object's kind.

    A kind that is not in the schema is merged as by a plain merge patch.
    """
    kind = types().get(str(original.get("kind") or patch.get("kind")))
    return _merge_map(copy.deepcopy(dict(original)), patch, kind)


def _merge_map(
    original: dict[str, Any], patch: Mapping[str, Any], kind: Type | None
) -> dict[str, Any]:
    directive = patch.get("$patch", "merge")
    if directive == "replace":
        return copy.deepcopy({k: v for k, v in patch.items() if not k.startswith(_DIRECTIVES)})
    if directive == "delete":
        return {}
    if directive != "merge":
        raise PatchError(f"unknown $patch directive {directive!r}")
    if "$retainKeys" in patch:
        original = {k: v for k, v in original.items() if k in patch["$retainKeys"]}
    _delete_from_primitives(original, patch)
    for name, value in patch.items():
        if not name.startswith(_DIRECTIVES):
            _merge_field(original, name, value, kind)
    _set_element_order(original, patch, kind)
    return original


def _merge_field(original: dict[str, Any], name: str, value: Any, kind: Type | None) -> None:
    inner = kind.field_type(name) if kind else None
    if value is None:
        original.pop(name, None)
    elif isinstance(value, Mapping):
        present = original.get(name)
        base = present if isinstance(present, dict) else {}
        # Kinds inside a map of maps keep the map's own type only one level down.
        typed = inner if kind and not kind.fields.get(name, "").startswith("map[]") else None
        original[name] = _merge_map(base, value, typed)
    elif isinstance(value, list) and kind and name in kind.merge:
        original[name] = _merge_list(original.get(name) or [], value, kind.merge[name], inner)
    else:
        original[name] = copy.deepcopy(value)


def _merge_list(
    original: list[Any], patch: list[Any], merge_key: str, kind: Type | None
) -> list[Any]:
    if not merge_key:
        return original + [copy.deepcopy(value) for value in patch if value not in original]
    items = [item for item in patch if item.get("$patch") != "replace" or len(item) > 1]
    if len(items) < len(patch):
        return [_merge_map({}, item, kind) for item in items]
    merged = list(original)
    for item in items:
        _merge_item(merged, item, merge_key, kind)
    return merged


def _merge_item(
    items: list[Any], patch: Mapping[str, Any], merge_key: str, kind: Type | None
) -> None:
    if merge_key not in patch:
        raise PatchError(f"map: {dict(patch)!r} does not contain declared merge key: {merge_key}")
    matching = [n for n, item in enumerate(items) if item.get(merge_key) == patch[merge_key]]
    if patch.get("$patch") == "delete":
        for n in reversed(matching):
            del items[n]
    elif matching:
        items[matching[0]] = _merge_map(items[matching[0]], patch, kind)
    else:
        items.append(_merge_map({}, patch, kind))


def _delete_from_primitives(original: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for directive, values in patch.items():
        if directive.startswith(_DELETE):
            name = directive.removeprefix(_DELETE)
            original[name] = [value for value in original.get(name) or [] if value not in values]


def _set_element_order(
    original: dict[str, Any], patch: Mapping[str, Any], kind: Type | None
) -> None:
    for directive, order in patch.items():
        if not directive.startswith(_ORDER):
            continue
        name = directive.removeprefix(_ORDER)
        merge_key = kind.merge.get(name, "") if kind else ""
        if name in original:
            original[name] = _ordered(original[name], order, merge_key)


def _ordered(items: Sequence[Any], order: Sequence[Any], merge_key: str) -> list[Any]:
    """Return the items in the patch's order; items only the server knows keep their neighbours."""

    def key(item: Any) -> Any:
        return item.get(merge_key) if merge_key else item

    wanted = [key(item) for item in order]
    listed = sorted((i for i in items if key(i) in wanted), key=lambda i: wanted.index(key(i)))
    before = {id(item): n for n, item in enumerate(items)}
    merged: list[Any] = []
    for own in (item for item in items if key(item) not in wanted):
        while listed and before[id(listed[0])] < before[id(own)]:
            merged.append(listed.pop(0))
        merged.append(own)
    return merged + listed
