"""A rehearsal as it might have been: pods, journal, samples; and the results they lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from podready.rehearse.diagnosis.advice import AdviceContext
from podready.rehearse.history import Ended, Interval, PodHistory
from podready.rehearse.load.plan import Connection, Outcome, Sample


@pytest.fixture
def a_sample() -> Callable[..., Sample]:
    """Return a maker of samples: an answered GET on a new connection unless told otherwise."""

    def make(**changes: Any) -> Sample:
        usual = Sample(
            index=0,
            kind="hello",
            method="GET",
            connection=Connection.NEW,
            intended=100.0,
            sent=100.0,
            first_byte=0.0,
            done=100.01,
            outcome=Outcome.OK,
            status=0,
            bytes=0,
            pod="default/web-1",
            node=0,
            conn_id=1,
            reused=False,
            conn_age=0.0,
            error="",
        )
        return replace(usual, **changes)

    return make


@pytest.fixture
def dying() -> PodHistory:
    """Return a pod like uvicorn's: SIGTERM at 100, listener closed at 100.1, routed till 101."""
    return PodHistory(
        pod="default/web-1",
        revision="5d4f8",
        created=80.0,
        started=80.1,
        ready=(Interval(82.0, 100.0),),
        listening=(Interval(81.0, 100.1),),
        routed=(Interval(82.1, 100.8, 0), Interval(82.2, 101.0, 1)),
        deleted=100.0,
        grace=30.0,
        sigterm=100.02,
        handled=True,
        ends=(Ended(103.0, 0),),
        gone=103.1,
    )


@pytest.fixture
def context() -> AdviceContext:
    """Return the context of an ordinary rehearsal."""
    return AdviceContext(
        rate=300,
        endpoint_lag=1.0,
        share_new=0.2,
        rollouts=1,
        replicas=3,
        container="web",
        app="hello:app",
        slowest=2.1,
        command="/bin/sh -c uvicorn hello:app",
        command_line="CMD uvicorn hello:app",
        command_at="Dockerfile:9",
    )
