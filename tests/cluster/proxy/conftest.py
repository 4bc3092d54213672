"""Services, slices and pods as the proxy meets them, and a clock that a test turns by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podready.cluster.client.protocol import Object


class HandClock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def monotonic(self) -> float:
        """Return the time the test has set."""
        return self.time

    def now(self) -> datetime:
        """Return a wall clock that moves with it."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)


class MemoryJournal:
    """A journal that a test can read."""

    def __init__(self) -> None:
        self.facts: list[dict[str, Any]] = []

    def write(self, kind: str, pod: str, **fields: Any) -> None:
        """Keep the fact."""
        self.facts.append({"kind": kind, "pod": pod, **fields})


@pytest.fixture
def hand_clock() -> HandClock:
    """Return a clock at 1000 s."""
    return HandClock()


@pytest.fixture
def memory_journal() -> MemoryJournal:
    """Return an empty journal."""
    return MemoryJournal()


def make_endpoint(pod: str, ip: str, **conditions: bool) -> Object:
    """Return an endpoint of a pod; ready unless told otherwise."""
    return {
        "addresses": [ip],
        "conditions": conditions or {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": "default", "name": pod, "uid": pod},
    }


def make_slice(
    *endpoints: Object, port: int = 3000, service: str = "hello", name: str = ""
) -> Object:
    """Return an EndpointSlice of a Service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-abcde",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def make_service(name: str = "hello", **spec: Any) -> Object:
    """Return a Service with port 80."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80, "targetPort": 3000}], "selector": {"app": name}, **spec},
    }


@pytest.fixture
def endpoint() -> Callable[..., Object]:
    """Return the maker of endpoints."""
    return make_endpoint


@pytest.fixture
def endpoint_slice() -> Callable[..., Object]:
    """Return the maker of EndpointSlices."""
    return make_slice


@pytest.fixture
def service() -> Callable[..., Object]:
    """Return the maker of Services."""
    return make_service
