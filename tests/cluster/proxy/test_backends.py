"""Which endpoints count, and which one a connection gets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from podready.cluster.client.protocol import Object
from podready.cluster.proxy.backends import (
    Affinity,
    Backend,
    EndpointState,
    ServicePort,
    choose,
    endpoint_state,
    endpoint_states,
    routed,
)

A, B = Backend("default/a", "10.0.0.1", 3000), Backend("default/b", "10.0.0.2", 3000)
HTTP = ServicePort("default/hello", "")
Make = Callable[..., Object]


@pytest.mark.parametrize(
    ("conditions", "value"),
    [
        ({"ready": True, "serving": True, "terminating": False}, EndpointState.READY),
        ({}, EndpointState.READY),  # unknown means ready
        ({"ready": None}, EndpointState.READY),
        ({"ready": True, "terminating": True}, EndpointState.READY),  # publishNotReadyAddresses
        ({"ready": False, "serving": True, "terminating": True}, EndpointState.TERMINATING),
        ({"ready": False, "serving": False, "terminating": True}, EndpointState.UNUSABLE),
        ({"ready": False, "serving": False, "terminating": False}, EndpointState.UNUSABLE),
        ({"ready": False}, EndpointState.UNUSABLE),
    ],
)
def test_conditions_decide_the_state(
    conditions: dict[str, bool | None], value: EndpointState
) -> None:
    """Each combination of EndpointSlice conditions that Kubernetes writes has one state."""
    assert endpoint_state(conditions) is value


def test_ready_endpoints_are_preferred_to_terminating_ones() -> None:
    """While one endpoint is ready, a terminating one gets nothing, though it still serves."""
    assert routed({A: EndpointState.READY, B: EndpointState.TERMINATING}) == (A,)


def test_terminating_endpoints_serve_when_no_other_is_left() -> None:
    """KEP-1669: the last pods of a Deployment go on serving while they terminate."""
    assert routed({B: EndpointState.TERMINATING, A: EndpointState.TERMINATING}) == (A, B)


def test_no_endpoint_means_refused() -> None:
    """Without any usable endpoint there is nowhere to go, and no choice to make."""
    assert routed({}) == ()
    assert choose((), random.Random(1)) is None


def test_slices_of_one_service_are_merged(endpoint: Make, endpoint_slice: Make) -> None:
    """An endpoint moving between two slices counts once, with its better endpoint_state."""
    gone = {"ready": False, "serving": False, "terminating": True}
    first = endpoint_slice(endpoint("a", "10.0.0.1"), endpoint("b", "10.0.0.2", **gone))
    second = endpoint_slice(endpoint("a", "10.0.0.1", **gone))
    assert endpoint_states([first, second]) == {"": {A: EndpointState.READY}}


def test_each_named_port_has_its_own_endpoints(endpoint: Make, endpoint_slice: Make) -> None:
    """Pods that resolve a named port to other numbers are in other slices, and are found there."""
    web = endpoint_slice(endpoint("a", "10.0.0.1"), name="web", port=3000)
    other = endpoint_slice(endpoint("b", "10.0.0.2"), name="web", port=4000)
    metrics = endpoint_slice(endpoint("a", "10.0.0.1"), name="metrics", port=9000)
    found = endpoint_states([web, other, metrics])
    assert set(found["web"]) == {A, B._replace(port=4000)}
    assert set(found["metrics"]) == {A._replace(port=9000)}


def test_endpoints_without_a_pod_are_left_out(endpoint_slice: Make) -> None:
    """A hand-written endpoint has no pod network to dial into."""
    assert endpoint_states([endpoint_slice({"addresses": ["192.0.2.1"]})]) == {"": {}}


def test_every_connection_gets_a_random_backend() -> None:
    """Over many connections each backend has its share, and the same seed the same order."""
    rng = random.Random(7)
    order = [choose((A, B), rng) for _ in range(1000)]
    counts = Counter(order)
    assert all(400 < counts[backend] < 600 for backend in (A, B))
    again = random.Random(7)
    assert order == [choose((A, B), again) for _ in range(1000)]


def test_a_client_keeps_its_backend_until_the_time_is_over() -> None:
    """sessionAffinity ClientIP holds per node, port and client, and counts from the last use."""
    affinity = Affinity()
    affinity.keep(0, HTTP, "10.9.9.9", B, now=100.0)
    assert affinity.find(0, HTTP, "10.9.9.9", (A, B), since=99.0) == B
    assert affinity.find(0, HTTP, "10.9.9.9", (A, B), since=100.5) is None
    assert affinity.find(1, HTTP, "10.9.9.9", (A, B), since=99.0) is None
    assert affinity.find(0, HTTP, "10.9.9.8", (A, B), since=99.0) is None


def test_a_client_does_not_keep_a_backend_that_is_gone() -> None:
    """A kept backend that is no choice any more is forgotten, as kube-proxy does."""
    affinity = Affinity()
    affinity.keep(0, HTTP, "10.9.9.9", B, now=100.0)
    assert affinity.find(0, HTTP, "10.9.9.9", (A,), since=0.0) is None
