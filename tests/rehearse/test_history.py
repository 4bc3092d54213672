"""One pod's life out of two sources: the API's watch and the node's journal."""

from __future__ import annotations

import math
from typing import Any

from podready.rehearse.history import EndpointSeen, Interval, PodSeen, build_histories, intervals

POD = "default/web-1"


def seen(t: float, event: str = "MODIFIED", **changes: Any) -> PodSeen:
    """Return one watch event of the pod."""
    usual: dict[str, Any] = {
        "revision": "5d4f8",
        "phase": "Running",
        "ready": True,
        "deleting": False,
        "grace": 30.0,
        "exit_code": None,
    }
    return PodSeen(t, event, POD, **{**usual, **changes})


WATCH = [
    seen(1.0, "ADDED", phase="Pending", ready=False),
    seen(2.0, ready=False),
    seen(3.0),
    seen(10.0, deleting=True, grace=20.0),
    seen(15.0, deleting=True, grace=20.0, ready=False, exit_code=0),
    seen(15.1, "DELETED", deleting=True, ready=False, exit_code=0),
]


def fact(t: float, kind: str, **fields: Any) -> dict[str, Any]:
    """Return one line of the journal."""
    return {"t": t, "kind": kind, "pod": POD, **fields}


JOURNAL = [
    fact(1.1, "started", container="web", pid=7),
    fact(2.5, "listening", port=9000, open=True),
    fact(2.6, "listening", port=3000, open=True),
    fact(2.9, "ready", value=True),
    fact(3.0, "view", node=0, service="default/web", port=80, state="routed"),
    fact(3.1, "view", node=0, service="default/other", port=80, state="routed"),
    fact(3.4, "view", node=1, service="default/web", port=80, state="routed"),
    fact(9.9, "deleted", grace=20.0),
    fact(9.91, "prestop", container="web", state="begin"),
    fact(9.95, "signal", container="web", signal="SIGTERM", handled=True),
    fact(10.0, "listening", port=3000, open=False),
    fact(10.7, "view", node=0, service="default/web", port=80, state="unrouted"),
    fact(11.2, "view", node=1, service="default/web", port=80, state="unrouted"),
    fact(12.0, "unready", container="web", probe="readiness", message="503"),
    fact(14.9, "exited", container="web", code=0, signal=0, oom=False, restart=0),
]


def test_the_journal_gives_exact_moments() -> None:
    """Only the app's own port and only the Service under test count."""
    history = build_histories(JOURNAL, WATCH, [], "default/web", 3000)[POD]
    assert history.started == 1.1
    assert history.ready == (Interval(2.9, math.inf),)
    assert history.listening == (Interval(2.6, 10.0),)
    assert history.routed == (Interval(3.0, 10.7, 0), Interval(3.4, 11.2, 1))
    assert (history.deleted, history.grace, history.sigterm) == (9.9, 20.0, 9.95)
    assert (history.handled, history.sigkill, history.gone) == (True, None, 15.1)
    assert history.prestop == ((9.91, "begin"),)
    assert history.failed_probes == ((12.0, "readiness", "503"),)
    assert history.last_end is not None
    assert history.last_end.t == 14.9
    assert (history.routed_until(0), history.routed_until(-1)) == (10.7, 11.2)
    assert history.is_routed(11.0, 1)
    assert not history.is_routed(11.0, 0)


def test_without_a_journal_the_watch_is_all_there_is() -> None:
    """On a real cluster: the same life, a little later and less exact."""
    endpoints = [EndpointSeen(3.2, POD, True), EndpointSeen(10.2, POD, False)]
    history = build_histories([], WATCH, endpoints, "default/web", 3000)[POD]
    assert (history.created, history.started, history.deleted) == (1.0, 2.0, 10.0)
    assert history.ready == (Interval(3.0, 15.0),)
    assert history.routed == (Interval(3.2, 10.2),)
    assert (history.sigterm, history.handled) == (None, None)
    assert (history.terminating_from, history.first_ready()) == (10.0, 3.0)
    assert history.last_end is not None
    assert history.last_end.code == 0


def test_stretches_ignore_repetitions() -> None:
    """A fact that is reported twice is still one interval; the last one may be open."""
    changes = [(1.0, False), (2.0, True), (2.5, True), (3.0, False), (4.0, True)]
    assert intervals(changes) == (Interval(2.0, 3.0), Interval(4.0, math.inf))
