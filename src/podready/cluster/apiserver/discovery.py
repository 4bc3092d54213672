"""How clients discover the resources: aggregated (v2) and group by group (legacy)."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Any

from podready.kube.gvk import RESOURCES, Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The Content-Type of the aggregated document; clients want it echoed to the letter."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
}
_SUBRESOURCE_VERBS = {
    "binding": ["create"],
    "eviction": ["create"],
    "log": ["get"],
    "finalize": ["update"],
}

Document = dict[str, Any]


def _groups() -> list[tuple[str, list[Resource]]]:
    ordered = sorted(RESOURCES, key=lambda r: r.group)
    return [(group, list(found)) for group, found in groupby(ordered, key=lambda r: r.group)]


def _response_kind(resource: Resource, subresource: str) -> tuple[str, str, str]:
    own = (resource.group, resource.version, resource.kind)
    return _SUBRESOURCE_KINDS.get(subresource, own)


def _verbs(subresource: str) -> list[str]:
    return _SUBRESOURCE_VERBS.get(subresource, ["get", "patch", "update"])


@cache
def aggregated(core: bool) -> Document:
    """Return the APIGroupDiscoveryList of `/api` (the core group) or `/apis` (all others)."""
    items = [_group_item(group, found) for group, found in _groups() if (group == "") == core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _group_item(group: str, resources: list[Resource]) -> Document:
    version = {
        "version": resources[0].version,
        "freshness": "Current",
        "resources": [_aggregated_resource(resource) for resource in resources],
    }
    return {"metadata": {"name": group} if group else {}, "versions": [version]}


def _aggregated_resource(resource: Resource) -> Document:
    entry: Document = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(VERBS),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(*_response_kind(resource, name)),
                "verbs": _verbs(name),
            }
            for name in resource.subresources
        ]
    return entry


def _kind(group: str, version: str, kind: str) -> Document:
    return {"group": group, "version": version, "kind": kind}


def legacy(path: str) -> Document | None:
    """Return the document of `/api`, `/apis`, `/api/v1`, `/apis/<group>[/<version>]`, or None."""
    parts = path.strip("/").split("/")
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        groups = [_api_group(group, found) for group, found in _groups() if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group, found in _groups():
        if path == found[0].base_path:
            return _resource_list(found)
        if group and parts == ["apis", group]:
            return {"kind": "APIGroup", "apiVersion": "v1"} | _api_group(group, found)
    return None


def _api_group(group: str, resources: list[Resource]) -> Document:
    version = {"groupVersion": resources[0].api_version, "version": resources[0].version}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _resource_list(resources: list[Resource]) -> Document:
    entries = []
    for resource in resources:
        entries.append(_legacy_entry(resource))
        entries.extend(_legacy_subresource(resource, name) for name in resource.subresources)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": entries,
    }


def _legacy_entry(resource: Resource) -> Document:
    entry: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(VERBS),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _legacy_subresource(resource: Resource, name: str) -> Document:
    group, version, kind = _response_kind(resource, name)
    entry: Document = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": _verbs(name),
    }
    if group != resource.group:
        entry |= {"group": group, "version": version}
    return entry
