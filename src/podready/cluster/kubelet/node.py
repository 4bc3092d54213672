"""The Node object by which this machine takes part in the cluster."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from podready.kube.times import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from podready.kube.meta import Object

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def capacity() -> dict[str, str]:
    """Return what this machine has, in the API's quantities."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    cpus = len(os.sched_getaffinity(0))
    return {"cpu": str(cpus), "memory": f"{pages * size // 1024}Ki", "pods": "110"}


def node_object(name: str, host_ip: str, now: datetime) -> Object:
    """Return this node as a ready one."""
    moment = rfc3339(now)
    conditions = [_condition(kind, "False", "KubeletHasSufficient", moment) for kind in _PRESSURES]
    conditions.append(_condition("Ready", "True", "KubeletReady", moment))
    amount = capacity()
    status: dict[str, Any] = {
        "capacity": amount,
        "allocatable": amount,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": host_ip},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": {
            "architecture": platform.machine(),
            "kernelVersion": platform.release(),
            "operatingSystem": "linux",
            "osImage": platform.platform(),
            "containerRuntimeVersion": "podready://0.1.0",
            "kubeletVersion": "v1.35.0",
            "kubeProxyVersion": "v1.35.0",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        ),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": "10.244.0.0/16"},
        "status": status,
    }


def _condition(kind: str, status: str, reason: str, moment: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "lastHeartbeatTime": moment,
        "lastTransitionTime": moment,
    }
