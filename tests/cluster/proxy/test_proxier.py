"""A Service and its slices in, one backend a connection out, and facts for the journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.proxy.conftest import HandClock, MemoryJournal

from podready.cluster.client.protocol import Object
from podready.cluster.proxy.proxier import Proxier, RefusedError
from podready.cluster.proxy.views import Lag

Make = Callable[..., Object]
HELLO = "default/hello"
TERMINATING = {"ready": False, "serving": True, "terminating": True}


@pytest.fixture
def proxier(hand_clock: HandClock, memory_journal: MemoryJournal) -> Proxier:
    """Return the proxiers of two nodes that follow after about a second."""
    return Proxier(2, Lag(), 0, memory_journal, hand_clock)


def test_a_connection_goes_to_a_pod_by_the_services_port(
    proxier: Proxier, service: Make, endpoint: Make, endpoint_slice: Make
) -> None:
    """Port 80 of the Service leads to port 3000 of its pod."""
    proxier.service_changed(service())
    proxier.slices_changed(HELLO, [endpoint_slice(endpoint("a", "10.0.0.1"))], at_once=True)
    assert proxier.pick(1, HELLO, 80) == ("default/a", "10.0.0.1", 3000)


@pytest.mark.parametrize(
    ("node", "name", "port", "reason"),
    [
        (0, HELLO, 80, "no-endpoints"),
        (0, HELLO, 81, "no-service"),
        (0, "default/other", 80, "no-service"),
        (2, HELLO, 80, "no-node"),
        (-1, HELLO, 80, "no-node"),
    ],
)
def test_a_connection_without_a_way_is_refused(
    proxier: Proxier, service: Make, node: int, name: str, port: int, reason: str
) -> None:
    """Each reason for a refusal has its name."""
    proxier.service_changed(service())
    with pytest.raises(RefusedError, match=reason):
        proxier.pick(node, name, port)


def test_a_deleted_service_refuses(
    proxier: Proxier, service: Make, endpoint: Make, endpoint_slice: Make
) -> None:
    """Without the Service its address leads nowhere, endpoints or not."""
    proxier.service_changed(service())
    proxier.slices_changed(HELLO, [endpoint_slice(endpoint("a", "10.0.0.1"))], at_once=True)
    proxier.service_deleted(service())
    with pytest.raises(RefusedError, match="no-service"):
        proxier.pick(0, HELLO, 80)


def test_a_node_routes_to_a_dead_pod_until_its_own_view_follows(
    proxier: Proxier,
    service: Make,
    endpoint: Make,
    endpoint_slice: Make,
    hand_clock: HandClock,
    memory_journal: MemoryJournal,
) -> None:
    """One story: two pods, one is deleted; each node goes on for a while, and says until when."""
    a, b = endpoint("a", "10.0.0.1"), endpoint("b", "10.0.0.2")
    proxier.service_changed(service())
    proxier.slices_changed(HELLO, [endpoint_slice(a, b)], at_once=True)
    assert [fact["state"] for fact in memory_journal.facts] == ["routed"] * 4
    memory_journal.facts.clear()

    dying = endpoint_slice(a, endpoint("b", "10.0.0.2", **TERMINATING))
    proxier.slices_changed(HELLO, [dying])
    for node in (0, 1):
        assert {proxier.pick(node, HELLO, 80).pod for _ in range(50)} == {"default/a", "default/b"}
    assert memory_journal.facts == []

    hand_clock.time = proxier.next_due or 0.0
    proxier.settle()
    (fact,) = memory_journal.facts
    early, late = fact["node"], 1 - fact["node"]
    assert {proxier.pick(early, HELLO, 80).pod for _ in range(50)} == {"default/a"}
    assert {proxier.pick(late, HELLO, 80).pod for _ in range(50)} == {"default/a", "default/b"}

    hand_clock.time += 1.5
    assert {proxier.pick(late, HELLO, 80).pod for _ in range(50)} == {"default/a"}
    assert memory_journal.facts[-1] == {
        "kind": "view",
        "pod": "default/b",
        "node": late,
        "service": HELLO,
        "port": 80,
        "state": "unrouted",
    }


def test_removed_slices_take_their_endpoints_along(
    proxier: Proxier, service: Make, endpoint: Make, endpoint_slice: Make, hand_clock: HandClock
) -> None:
    """When the last slice of a port goes, its endpoints go too, with the usual lag."""
    proxier.service_changed(service())
    proxier.slices_changed(HELLO, [endpoint_slice(endpoint("a", "10.0.0.1"))], at_once=True)
    proxier.slices_changed(HELLO, [])
    assert proxier.pick(0, HELLO, 80).pod == "default/a"
    hand_clock.time += 1.5
    with pytest.raises(RefusedError, match="no-endpoints"):
        proxier.pick(0, HELLO, 80)


def test_session_affinity_keeps_a_client_at_its_pod(
    proxier: Proxier, service: Make, endpoint: Make, endpoint_slice: Make, hand_clock: HandClock
) -> None:
    """With ClientIP a client meets one pod only, until its time without a connection is over."""
    sticky = service(
        sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}}
    )
    proxier.service_changed(sticky)
    pods = [endpoint(name, f"10.0.0.{n}") for n, name in enumerate("abcdefgh")]
    proxier.slices_changed(HELLO, [endpoint_slice(*pods)], at_once=True)
    (first,) = {proxier.pick(0, HELLO, 80, "10.9.9.9").pod for _ in range(50)}
    hand_clock.time += 59
    assert proxier.pick(0, HELLO, 80, "10.9.9.9").pod == first
    hand_clock.time += 59  # counted from the last connection, not from the first
    assert proxier.pick(0, HELLO, 80, "10.9.9.9").pod == first
    later = set()
    for _ in range(50):
        hand_clock.time += 61
        later.add(proxier.pick(0, HELLO, 80, "10.9.9.9").pod)
    assert len(later) > 1
