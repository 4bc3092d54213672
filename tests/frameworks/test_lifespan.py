"""Start and end of the app's own code: lifespan on, off and failing, warm-ups and hooks failing."""

from __future__ import annotations

import pytest
from tests.frameworks.conftest import StartPod
from tests.frameworks.frameworks import CASE_IDS, CASES, Framework

pytestmark = pytest.mark.slow

SPEAKERS = [case for case in CASES if case[0].lifespan]
SPEAKER_IDS = [label for case, label in zip(CASES, CASE_IDS, strict=True) if case[0].lifespan]

every_lifespan = pytest.mark.parametrize("case", SPEAKERS, ids=SPEAKER_IDS, indirect=True)


@every_lifespan
def test_lifespan_off_leaves_it_out(start_pod: StartPod) -> None:
    """With --lifespan off neither end of it runs, and the app serves."""
    pod = start_pod("--lifespan", "off").ready()
    assert pod.get("/").status == 200
    assert pod.stop() == 0
    assert not {"startup", "shutdown"} & set(pod.marks)


def test_lifespan_on_demands_it(start_pod: StartPod, framework: Framework) -> None:
    """With --lifespan on an app that speaks it runs it; one that does not fails to start."""
    pod = start_pod("--lifespan", "on")
    if framework.lifespan:
        assert pod.ready().stop() == 0
        assert [each for each in pod.marks if each in {"startup", "shutdown"}] == [
            "startup",
            "shutdown",
        ]
    elif framework.wsgi:  # there is no lifespan to demand
        assert pod.ready().stop() == 0
    else:
        assert pod.exit_code() == 3
        assert "lifespan" in pod.records[-1]["message"]


@every_lifespan
def test_a_failing_startup_is_exit_3_and_a_sentence(start_pod: StartPod) -> None:
    """The last line says in one sentence what failed; the pod never was ready."""
    pod = start_pod(FAULT="startup")
    assert pod.exit_code() == 3
    last = pod.records[-1]
    assert last["severity"] in {"ERROR", "CRITICAL"}
    assert "planned fault in startup" in last["message"]
    assert "\n" not in last["message"]


@every_lifespan
def test_a_failing_shutdown_is_told_and_survived(start_pod: StartPod) -> None:
    """The log names it, the remaining hooks run, and the exit is clean: the work was done."""
    pod = start_pod(FAULT="shutdown").ready()
    assert pod.stop() == 0
    assert any("planned fault in shutdown" in str(each) for each in pod.complaints())
    assert pod.marks[-3:] == ["hook last", "hook hook", "hook first"]


def test_a_failing_warmup_is_exit_3_and_a_sentence(start_pod: StartPod) -> None:
    """A warm-up that raises ends the start, named."""
    pod = start_pod(FAULT="warmup")
    assert pod.exit_code() == 3
    last = pod.records[-1]
    assert "warmup" in last["message"]
    assert "planned fault in warmup" in last["message"]
    assert "\n" not in last["message"]


def test_a_failing_hook_does_not_keep_the_others_from_running(start_pod: StartPod) -> None:
    """Hooks run last registered first; the one in the middle fails, the log names it."""
    pod = start_pod(FAULT="hook").ready()
    assert pod.stop() == 0
    assert pod.marks[-3:] == ["hook last", "hook hook", "hook first"]
    assert any("planned fault in hook" in str(each) for each in pod.complaints())
