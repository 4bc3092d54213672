"""Field selectors: `metadata.name=x,status.phase!=Running`, with the fields each kind allows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from podready.kube.gvk import EVENT, NAMESPACE, NODE, POD, REPLICA_SET, SECRET, SERVICE, Resource
from podready.kube.meta import Object, dig

_TERM = re.compile(r"([^=!,]+)(==|=|!=)([^,]*)")
_ALWAYS = ("metadata.name", "metadata.namespace")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

SELECTABLE: dict[Resource, tuple[str, ...]] = {
    POD: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    EVENT: (
        *(f"involvedObject.{part}" for part in _INVOLVED),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    NAMESPACE: ("status.phase",),
    NODE: ("spec.unschedulable",),
    SECRET: ("type",),
    SERVICE: ("spec.clusterIP", "spec.type"),
    REPLICA_SET: ("status.replicas",),
}
"""What each kind may be selected by besides name and namespace (pkg/apis/*/conversion.go)."""


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms (path, equal or not, value) that must all hold."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, obj: Object) -> bool:
        """Whether every term holds for the object; a missing field is the empty string."""
        return all((_value(obj, path) == value) is equal for path, equal, value in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)


ALL_FIELDS = FieldSelector()


def parse_field_selector(text: str, resource: Resource) -> FieldSelector:
    """Return the selector; ValueError for a bad form or a field the kind is not selectable by."""
    terms = []
    for part in text.split(",") if text.strip() else ():
        found = _TERM.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"invalid selector: {text!r}; can't understand {part!r}")
        path = found[1].strip()
        if path not in _ALWAYS and path not in SELECTABLE.get(resource, ()):
            raise ValueError(f'field label not supported: "{path}"')
        terms.append((path, found[2] != "!=", found[3].strip()))
    return FieldSelector(tuple(terms))


def _value(obj: Object, path: str) -> str:
    if path == "source":
        return str(dig(obj, "source", "component", default=""))
    found = dig(obj, *path.split("."), default="")
    return str(found).lower() if isinstance(found, bool) else str(found)
