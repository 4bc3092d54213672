"""report.json: exactly the promised schema, and back again."""

from __future__ import annotations

import json

import pytest

from podready.rehearse.result import (
    Bin,
    Cause,
    Lane,
    Loss,
    Mark,
    RehearsalResult,
    ScenarioResult,
    StateSpan,
    Verdict,
)
from podready.rehearse.result_json import from_json, to_json

RESULT = RehearsalResult(
    verdict=Verdict.NOT_READY,
    sent=100,
    dropped=1,
    gap_ms_95=15.8,
    scenarios=(
        ScenarioResult(
            name="rolling-update",
            title="Rolling update",
            sent=100,
            dropped=1,
            p50_ms=1.0,
            p99_ms=2.0,
            max_ms=3.0,
            seconds=10.0,
            rollouts=1,
            causes=(Cause("keep-alive-race", 1, "title", "fix", "evidence", "+patch"),),
            lanes=(
                Lane(
                    "default/web-1", "abc", (StateSpan("ready", 0, 1),), (Mark(1, "SIGTERM"),), 137
                ),
                Lane("default/web-2", "def"),
            ),
            losses=(
                Loss(1.0, 0.9, "hello", "GET", "new", "eof", 0, "default/web-1", 2, False, "", "x"),
            ),
            bins=(Bin(0.0, 30, 1, 1.0, 2.0),),
            generator={"lag_p99_ms": 3.0},
        ),
    ),
    project="wëb",
    settings={"requests/s": "300", "rounds": 1},
    facts={"cores": 2},
    limits=("no memory limit",),
)


def test_round_trip() -> None:
    """A saved result can be drawn again: nothing is lost or retyped on the way."""
    assert from_json(to_json(RESULT)) == RESULT


def test_the_promised_fields() -> None:
    """The schema that scripts rely on."""
    document = json.loads(to_json(RESULT))
    assert next(iter(document)) == "schema"
    assert document["schema"] == "podready.rehearsal/v1"
    assert document["verdict"] == "not-ready"
    assert (document["sent"], document["dropped"], document["gap_ms_95"]) == (100, 1, 15.8)
    scenario = document["scenarios"][0]
    assert {"name", "sent", "dropped", "p50_ms", "p99_ms", "max_ms", "causes"} <= scenario.keys()
    assert {"code", "count", "title", "fix"} <= scenario["causes"][0].keys()


def test_unknown_fields_of_a_newer_minor_version_are_ignored() -> None:
    """Extra keys are allowed."""
    document = json.loads(to_json(RESULT))
    document["brand_new"] = document["scenarios"][0]["brand_new"] = 1
    assert from_json(json.dumps(document)) == RESULT


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "podready.rehearsal/v9"}'])
def test_other_documents_are_refused(text: str) -> None:
    """A report of another schema is not guessed at."""
    with pytest.raises(ValueError, match="not a podready"):
        from_json(text)
