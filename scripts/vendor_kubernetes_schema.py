"""Make src/podready/kube/schema.json again from the JSON schemas that kubernetes-validate ships.

A maintenance tool, not a part of the package. kubernetes-validate is 108 MB and takes 0.36 s to
import, so the few facts needed of it (field names, types, merge keys) are kept as data instead:

    uv pip install --target /tmp/kv --no-deps kubernetes-validate
    python scripts/vendor_kubernetes_schema.py /tmp/kv/kubernetes_validate v1.37.0
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/podready/kube/schema.json"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CORE = "io.k8s.api.core.v1."
ROOTS = (
    *(CORE + kind for kind in ("Namespace", "Node", "Pod", "Service", "ConfigMap", "Secret")),
    *(CORE + kind for kind in ("Event", "Binding")),
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.discovery.v1.EndpointSlice",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.policy.v1.Eviction",
    META + "DeleteOptions",
    META + "Status",
)
SCALARS = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    META + "Time": "time",
    META + "MicroTime": "microtime",
    META + "FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}

Definition = dict[str, Any]


def definition_of(schema: Definition) -> str | None:
    """Return the name of the definition that a schema points to."""
    pointer = schema.get("$ref")
    return pointer.rsplit("/", 1)[-1] if pointer else None


def word_for(schema: Definition) -> str:
    """Return our word for a field's type: `string`, `[]Container`, `map[]quantity`, …"""
    pointed = definition_of(schema)
    if pointed:
        return SCALARS.get(pointed) or pointed.rsplit(".", 1)[-1]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return "[]" + word_for(schema["items"])
    if kind == "object" and "additionalProperties" in schema:
        return "map[]" + word_for(schema["additionalProperties"])
    if kind == "string" and schema.get("format") == "byte":
        return "bytes"
    return {"string": "string", "integer": "integer", "boolean": "boolean"}.get(
        str(kind), "number" if kind == "number" else "any"
    )


def entry_of(name: str, definition: Definition) -> Definition:
    """Return one type of the table: its full name, fields, merge keys and required fields."""
    properties = definition.get("properties") or {}
    entry: Definition = {
        "name": name,
        "fields": {field: word_for(schema) for field, schema in sorted(properties.items())},
    }
    merge = {
        field: schema.get("x-kubernetes-patch-merge-key", "")
        for field, schema in sorted(properties.items())
        if "merge" in schema.get("x-kubernetes-patch-strategy", "").split(",")
    }
    retain = [
        field
        for field, schema in sorted(properties.items())
        if "retainKeys" in schema.get("x-kubernetes-patch-strategy", "")
    ]
    extra = {"merge": merge, "retain": retain, "required": sorted(definition.get("required") or [])}
    return entry | {key: value for key, value in extra.items() if value}


def reachable(definitions: dict[str, Definition]) -> set[str]:
    """Return the definitions that the roots lead to, scalars left out."""
    found: set[str] = set()
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name in found or name in SCALARS:
            continue
        found.add(name)
        for schema in (definitions[name].get("properties") or {}).values():
            inner = schema.get("items") or schema.get("additionalProperties") or schema
            pointed = definition_of(inner if isinstance(inner, dict) else schema)
            if pointed:
                todo.append(pointed)
    return found


def main(package: Path, version: str) -> None:
    """Write the table."""
    source = package / "kubernetes-json-schema" / f"{version}-local" / "_definitions.json"
    definitions = json.loads(source.read_text())["$defs"]
    types: dict[str, Definition] = {}
    for name in sorted(reachable(definitions)):
        short = name.rsplit(".", 1)[-1]
        if short in types:
            raise SystemExit(f"two types are called {short}: {types[short]['name']} and {name}")
        types[short] = entry_of(name, definitions[name])
    table = {
        "notice": "Derived from Kubernetes (Apache-2.0, The Kubernetes Authors); see NOTICE",
        "source": f"kubernetes-validate, schema {version}",
        "types": types,
    }
    TARGET.write_text(json.dumps(table, separators=(",", ":")).replace('"},"', '"},\n"') + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
