"""The examples, rehearsed by the real command: ready, not ready, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import EXAMPLES, SHORT, Rehearse, edit

pytestmark = pytest.mark.slow

CopyOf = Callable[[str], Path]
Report = Callable[[], dict[str, Any]]

PROMISED = {
    "schema": str, "verdict": str, "sent": int, "dropped": int, "gap_ms_95": float,
    "scenarios": list,
}  # fmt: skip
PROMISED_OF_A_SCENARIO = {
    "name": str, "sent": int, "dropped": int, "p50_ms": float, "p99_ms": float, "max_ms": float,
    "causes": list,
}  # fmt: skip
PROMISED_OF_A_CAUSE = {"code": str, "count": int, "title": str, "fix": str}


def assert_promised(found: dict[str, Any]) -> None:
    """The fields that podready.rehearsal/v1 promises are there, with their types and sums."""
    assert found["schema"] == "podready.rehearsal/v1"
    assert found["verdict"] in ("ready", "not-ready", "inconclusive")
    has(found, PROMISED)
    for scenario in found["scenarios"]:
        has(scenario, PROMISED_OF_A_SCENARIO)
        for cause in scenario["causes"]:
            has(cause, PROMISED_OF_A_CAUSE)
        assert sum(cause["count"] for cause in scenario["causes"]) == scenario["dropped"]
    for total in ("sent", "dropped"):
        assert sum(scenario[total] for scenario in found["scenarios"]) == found[total]


def has(found: dict[str, Any], promised: dict[str, type]) -> None:
    """Each promised field has its type; an int will do for a float, as in JSON."""
    for name, kind in promised.items():
        allowed = (int, float) if kind is float else kind
        assert isinstance(found[name], allowed), name
        assert not isinstance(found[name], bool), name


def quick(project: Path) -> Path:
    """Make naive's readiness probe ask each second: at the default of ten a test takes a minute.

    Its liveness probe stays patient: asked each second it kills what starts on a busy machine.
    """
    path = project / "deploy" / "naive.yaml"
    probe = "readinessProbe:\n            "
    edit(path, f"{probe}httpGet:", f"{probe}periodSeconds: 1\n            httpGet:")
    return project


def test_hello_is_ready(rehearse: Rehearse, report: Report, tmp_path: Path) -> None:
    """Nothing dropped, exit 0, a report in both forms; plain lines, since this is no terminal."""
    done = rehearse(EXAMPLES / "hello", *SHORT)
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("READY  0 of ")
    assert done.last.endswith(f"report: {tmp_path}/report/report.html")
    assert "\x1b" not in done.out
    assert done.err == ""
    found = report()
    assert_promised(found)
    assert (found["verdict"], found["dropped"]) == ("ready", 0)
    assert found["sent"] > 300
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "requests dropped" in page
    assert "http://" not in page.replace("http://www.w3.org", "")  # self-contained


def test_hello_flask_is_ready_and_json_is_all_that_stdout_gets(
    rehearse: Rehearse, report: Report
) -> None:
    """With --json stdout is the report and nothing else; progress goes to stderr."""
    done = rehearse(EXAMPLES / "hello_flask", *SHORT, "--json")
    assert done.code == 0, done.out + done.err
    printed = json.loads(done.out)
    assert_promised(printed)
    assert printed == report()
    assert printed["verdict"] == "ready"
    assert "local cluster with" in done.err


def test_an_app_that_keeps_gunicorn_is_ready(rehearse: Rehearse, report: Report) -> None:
    """One line, `podready.wrap`, and gunicorn's own two workers: nothing dropped, no SIGKILL."""
    done = rehearse(EXAMPLES / "own_server", *SHORT)
    assert done.code == 0, done.out + done.err
    found = report()
    assert (found["verdict"], found["dropped"]) == ("ready", 0)
    codes = {lane["exit_code"] for scenario in found["scenarios"] for lane in scenario["lanes"]}
    assert codes <= {0, None}


def test_naive_loses_what_its_listener_refuses(
    rehearse: Rehearse, report: Report, copy_of: CopyOf
) -> None:
    """Exit 1; the cause and the fix are sentences under the verdict, and the loss is refused."""
    naive = quick(copy_of("naive"))
    done = rehearse(naive, "--scenario", "rolling-update", "--rps", "200")
    assert done.code == 1, done.out + done.err
    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("NOT READY  "))
    assert "lost: The listener closed while proxies still routed to the pod." in lines[at + 1]
    assert "Fix: Go on accepting for" in lines[at + 2]
    assert "podready run" in lines[at + 2]
    found = report()
    assert_promised(found)
    (scenario,) = found["scenarios"]
    codes = {cause["code"] for cause in scenario["causes"]}
    assert codes <= {"listener-closed-early", "keep-alive-race"}  # uvicorn has both
    assert {lane["exit_code"] for lane in scenario["lanes"]} <= {0, None}  # SIGTERM arrived
    lost = [loss for loss in scenario["losses"] if loss["connection"] == "new"]
    assert len(lost) > 10  # 40 expected: 200/s x 20 % new x 1 s


def test_naive_under_dash_never_hears_sigterm(
    rehearse: Rehearse, report: Report, copy_of: CopyOf
) -> None:
    """Without the SHELL line sh is PID 1: SIGKILL at the end of the grace period, and named so."""
    naive = quick(copy_of("naive"))
    edit(naive / "Dockerfile", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\n', "")
    edit(
        naive / "deploy" / "naive.yaml",
        "      containers:",
        "      terminationGracePeriodSeconds: 4\n      containers:",
    )
    done = rehearse(naive, *SHORT)
    assert done.code == 1, done.out + done.err
    assert "ended in SIGKILL" in done.out
    assert "PID 1" in done.out
    assert f"{naive.name}/Dockerfile:8" in done.out  # the CMD's own line
    assert "exec" in done.out
    found = report()
    assert_promised(found)
    codes = {lane["exit_code"] for lane in found["scenarios"][0]["lanes"]}
    assert 137 in codes


def test_plain_pods_say_what_they_cannot_show(rehearse: Rehearse, report: Report) -> None:
    """Without namespaces hello is ready too, and the report tells what that does not prove."""
    done = rehearse(EXAMPLES / "hello", *SHORT, "--sandbox", "plain")
    assert done.code == 0, done.out + done.err
    assert "pods in plain" in done.out
    found = report()
    assert found["settings"]["sandbox"] == "plain"
    assert any("not PID 1" in limit for limit in found["limits"])
