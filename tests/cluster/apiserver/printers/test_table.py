"""Tables: what `kubectl get` shows of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podready.cluster.apiserver.printers.table import bookmark_table, columns_of, table
from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    NODE,
    REPLICA_SET,
    RESOURCES,
    SECRET,
    SERVICE,
    Resource,
)

NOW = datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}}
WORKLOAD = {
    "spec": {"replicas": 3, "template": TEMPLATE, "selector": {"matchLabels": {"app": "x"}}},
    "status": {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
}
ADDRESSES = [{"addresses": [f"10.0.0.{n}"]} for n in range(5)]


@pytest.mark.parametrize(
    ("resource", "obj", "cells"),
    [
        (DEPLOYMENT, WORKLOAD, ["x", "2/3", 1, 2, "90s", "a,b", "i:1,j", "app=x"]),
        (REPLICA_SET, WORKLOAD, ["x", 3, 3, 2, "90s", "a,b", "i:1,j", "app=x"]),
        (SERVICE,
         {"spec": {"type": "NodePort", "clusterIP": "10.96.0.10", "selector": {"app": "x"},
                   "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}]}},
         ["x", "NodePort", "10.96.0.10", "<none>", "80:30000/TCP", "90s", "app=x"]),
        (SERVICE, {"spec": {"type": "LoadBalancer", "ports": []}},
         ["x", "LoadBalancer", "<none>", "<pending>", "<none>", "90s", "<none>"]),
        (ENDPOINT_SLICE, {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": ADDRESSES},
         ["x", "IPv4", "80", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...", "90s"]),
        (ENDPOINT_SLICE, {"addressType": "IPv4"}, ["x", "IPv4", "<unset>", "<unset>", "90s"]),
        (NODE,
         {"spec": {"unschedulable": True},
          "status": {"conditions": [{"type": "Ready", "status": "True"}],
                     "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                     "nodeInfo": {"kubeletVersion": "v1"}}},
         ["x", "Ready,SchedulingDisabled", "<none>", "90s", "v1", "10.0.0.1", "<none>", "<unknown>",
          "<unknown>", "<unknown>"]),
        (NODE, {}, ["x", "Unknown", "<none>", "90s", "", "<none>", "<none>", "<unknown>",
                    "<unknown>", "<unknown>"]),
        (NAMESPACE, {"status": {"phase": "Active"}}, ["x", "Active", "90s"]),
        (CONFIG_MAP, {"data": {"a": "1"}, "binaryData": {"b": "eA=="}}, ["x", 2, "90s"]),
        (SECRET, {"type": "Opaque"}, ["x", "Opaque", 0, "90s"]),
        (EVENT,
         {"type": "Warning", "reason": "BackOff", "message": "m\n", "count": 4,
          "lastTimestamp": "2026-01-01T00:01:00Z", "firstTimestamp": "2026-01-01T00:00:30Z",
          "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
          "source": {"component": "kubelet", "host": "node-1"}},
         ["30s", "Warning", "BackOff", "pod/p", "spec.containers{a}", "kubelet, node-1", "m", "60s",
          4, "x"]),
    ],
)  # fmt: skip
def test_cells(resource: Resource, obj: dict[str, Any], cells: list[Any]) -> None:
    """One row of each kind, wide columns included."""
    shown = table(resource, [{"metadata": META} | obj], now=NOW)
    assert shown["rows"][0]["cells"] == cells
    assert len(shown["columnDefinitions"]) == len(cells)


def test_rows_carry_what_was_asked_for() -> None:
    """Metadata by default; the object for --sort-by; nothing for None; no headings twice."""
    obj = {"kind": "ConfigMap", "metadata": META | {"resourceVersion": "7"}}
    (row,) = table(CONFIG_MAP, [obj], now=NOW)["rows"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    (row,) = table(CONFIG_MAP, [obj], now=NOW, include="Object")["rows"]
    assert row["object"] is obj
    bare = table(CONFIG_MAP, [obj], now=NOW, include="None", headings=False)
    assert "object" not in bare["rows"][0]
    assert bare["columnDefinitions"] == []
    assert bookmark_table(obj)["metadata"] == {"resourceVersion": "7"}


def test_every_kind_names_its_objects() -> None:
    """kubectl looks for the column of format `name`."""
    assert [r.kind for r in RESOURCES if "name" not in {c.format for c in columns_of(r)}] == []
