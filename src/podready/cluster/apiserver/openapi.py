"""OpenAPI v3, as much as kubectl asks for: types with merge keys, and which paths validate fields.

`kubectl apply` and `diff` read merge keys from it; `create -f` looks whether the server takes
`fieldValidation`. Descriptions are left out.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import orjson

from podready.kube.gvk import RESOURCES, Resource
from podready.kube.schema import Type, element_type, types

Document = dict[str, Any]

_SCALARS: dict[str, Document] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "microtime": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer", "format": "int32"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "int-or-string": {"x-kubernetes-int-or-string": True},
    "quantity": {"type": "string"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_ACTIONS = {"put": "put", "patch": "patch", "delete": "delete", "get": "get"}
_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


@cache
def index() -> bytes:
    """Return `/openapi/v3`: where each group's document is, with a hash that clients cache by."""
    paths = {}
    for base in sorted({resource.base_path for resource in RESOURCES}):
        digest = hashlib.sha256(document(base) or b"").hexdigest()[:32].upper()
        paths[base.strip("/")] = {"serverRelativeURL": f"/openapi/v3{base}?hash={digest}"}
    return orjson.dumps({"paths": paths})


@cache
def document(base_path: str) -> bytes | None:
    """Return the OpenAPI document of one group and version, or None when it is not served."""
    resources = [resource for resource in RESOURCES if resource.base_path == base_path]
    if not resources:
        return None
    paths: Document = {}
    for resource in resources:
        paths |= _paths(resource)
    body = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "podready"},
        "paths": paths,
        "components": {"schemas": _schemas(resources)},
    }
    return orjson.dumps(body)


def _paths(resource: Resource) -> Document:
    collection = resource.path("{namespace}")
    return {
        collection: {
            "get": _operation(resource, "list"),
            "post": _operation(resource, "post", writes=True),
        },
        f"{collection}/{{name}}": {
            method: _operation(resource, action, writes=method in ("put", "patch"))
            for method, action in _ACTIONS.items()
        },
    }


def _operation(resource: Resource, action: str, *, writes: bool = False) -> Document:
    names = _WRITE_PARAMETERS if writes else ()
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in names
        ],
        "responses": {"200": {"description": "OK"}},
    }


def _gvk(resource: Resource) -> Document:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schemas(resources: list[Resource]) -> Document:
    gvks = {resource.kind: _gvk(resource) for resource in resources}
    todo, found = list(gvks), dict[str, Document]()
    while todo:
        short = todo.pop()
        kind = types()[short]
        if kind.name in found:
            continue
        found[kind.name] = _schema(kind)
        if short in gvks:
            found[kind.name]["x-kubernetes-group-version-kind"] = [gvks[short]]
        todo.extend(w for w in map(element_type, kind.fields.values()) if w in types())
    return found


def _schema(kind: Type) -> Document:
    schema: Document = {
        "type": "object",
        "properties": {name: _property(kind, name) for name in kind.fields},
    }
    if kind.required:
        schema["required"] = list(kind.required)
    return schema


def _property(kind: Type, name: str) -> Document:
    schema = _for_type(kind.fields[name])
    strategies = ["merge"] if name in kind.merge else []
    if name in kind.retain:
        strategies.append("retainKeys")
    if strategies:
        schema["x-kubernetes-patch-strategy"] = ",".join(strategies)
    if kind.merge.get(name):
        schema["x-kubernetes-patch-merge-key"] = kind.merge[name]
    return schema


def _for_type(type_name: str) -> Document:
    if type_name.startswith("[]"):
        return {"type": "array", "items": _for_type(type_name.removeprefix("[]"))}
    if type_name.startswith("map[]"):
        inner = _for_type(type_name.removeprefix("map[]"))
        return {"type": "object", "additionalProperties": inner}
    if type_name in types():
        pointer = f"#/components/schemas/{types()[type_name].name}"
        return {"allOf": [{"$ref": pointer}], "default": {}}
    return dict(_SCALARS[type_name])
