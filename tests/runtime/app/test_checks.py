"""Hysteresis of checks, and what a registration refuses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.runtime.conftest import StartPod, eventually

from podready.runtime.app.check_runner import CheckState
from podready.runtime.app.registry import AppRegistry


def test_one_failure_changes_nothing() -> None:
    """Three failures in a row make a good check bad; two successes make it good again."""
    state = CheckState()
    assert state.record(ok=True)
    changed = [state.record(ok=ok) for ok in (False, False, True, False, False, False)]
    assert changed == [False, False, False, False, False, True]
    assert state.good is False
    assert [state.record(ok=ok) for ok in (True, False, True, True)] == [False, False, False, True]
    assert state.good is True


def test_the_first_result_decides() -> None:
    """Before the first run nothing is known, so one failure is enough to be bad."""
    state = CheckState()
    assert state.record(False, "refused")
    assert (state.good, state.message) == (False, "refused")


def test_names_and_kinds() -> None:
    """A name is taken once, and a kind that does not exist is refused where it is written."""
    check = AppRegistry().check
    check("db")(lambda: True)
    with pytest.raises(ValueError, match="there is a check called 'db'"):
        check("db")
    with pytest.raises(ValueError, match="group 'a/b' is not of the form"):
        check("y", groups=("a/b",))
    with pytest.raises(ValueError, match="kind is ready, startup or info"):
        check("x", kind="live")  # type: ignore[arg-type]


CHECKED = """
import asyncio, pathlib, podready

def told(name, good, message):
    line = '{"severity": "INFO", "message": "callback %s %s %s"}'
    print(line % (name, good, message), flush=True)

@podready.check("database", critical=True, interval=0.05, timeout=0.5)
async def database():
    if pathlib.Path("down").exists():
        raise ConnectionError("refused")

@podready.check("cache", interval=0.05, groups=("storage", "warm"), on_change=told)
def cache():
    return not pathlib.Path("cold").exists()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/pause":
        podready.set_ready(False, "rebuilding")
    elif scope["path"] == "/resume":
        podready.set_ready(True)
    elif scope["path"] == "/break":
        podready.mark_unhealthy("lost my index")
    elif scope["path"] == "/mend":
        podready.mark_healthy()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
"""


def test_a_critical_check_takes_the_pod_out(start_pod: StartPod) -> None:
    """readyz names a critical check that fails, stays 200 for others, and recovers."""
    pod = start_pod(CHECKED).ready()
    (pod.directory / "cold").touch()
    pod.line("check 'cache' fails: returned False")
    assert pod.probe("/readyz")[0] == 200
    (pod.directory / "down").touch()
    eventually(lambda: pod.probe("/readyz")[0] == 503, "not ready")
    body = pod.probe("/readyz")[1]
    assert body["failing"] == ["database"]
    assert "refused" not in str(body)
    assert "ConnectionError: refused" in str(pod.probe("/readyz?verbose")[1])
    assert pod.probe("/livez")[0] == 200
    (pod.directory / "down").unlink()
    eventually(lambda: pod.probe("/readyz")[0] == 200, "ready again")
    assert pod.stop() == 0


def test_groups_and_changes(start_pod: StartPod) -> None:
    """A group answers for its checks, critical or not; on_change hears of bad and good again."""
    pod = start_pod(CHECKED).ready()
    for path in ("/health/storage", "/readyz?group=storage", "/health/warm"):
        assert pod.probe(path) == (200, {"status": "ok"})
    assert pod.probe("/health/other")[0] == 404
    assert pod.probe("/readyz?group=")[0] == 404
    (pod.directory / "cold").touch()
    pod.line("callback cache False returned False")
    eventually(lambda: pod.probe("/health/storage")[0] == 503, "the group fails")
    assert pod.probe("/readyz?group=warm") == (503, {"status": "failing", "failing": ["cache"]})
    assert pod.probe("/readyz")[0] == 200
    (pod.directory / "cold").unlink()
    pod.line("callback cache True ")
    assert sum("callback" in message for message in pod.messages()) == 2


def test_a_failing_check_holds_the_start(start_pod: StartPod, tmp_path: Path) -> None:
    """A critical check that fails at the first run keeps readyz at 503 until it passes."""
    (tmp_path / "down").touch()
    pod = start_pod(CHECKED)
    pod.line("ready after")
    assert pod.probe("/readyz")[0] == 503
    assert pod.probe("/readyz")[1]["failing"] == ["database"]
    (pod.directory / "down").unlink()
    pod.ready()


def test_the_app_says_it_itself(start_pod: StartPod) -> None:
    """set_ready and mark_unhealthy each take the pod out of service, and can be taken back."""
    pod = start_pod(CHECKED).ready()
    pod.get("/pause")
    eventually(lambda: pod.probe("/readyz")[0] == 503, "paused")
    assert pod.probe("/readyz")[1]["failing"] == ["set_ready"]
    pod.get("/resume")
    pod.ready()
    pod.get("/break")
    eventually(lambda: pod.probe("/livez")[0] == 503, "unhealthy")
    assert pod.probe("/livez")[1]["reason"] == "unhealthy"
    assert pod.line("marked this worker unhealthy, /livez fails: lost")["severity"] == "ERROR"
    pod.get("/break")  # the same reason again is not logged again
    pod.get("/mend")
    eventually(lambda: pod.probe("/livez")[0] == 200, "healthy again")
    assert pod.line("the app marked this worker healthy again")["severity"] == "INFO"
    assert sum("marked this worker unhealthy" in each for each in pod.messages()) == 1


EACH_WORKER = """
import os, signal, podready

unhealthy = False

def turn(*_):
    global unhealthy
    unhealthy = not unhealthy
    podready.mark_unhealthy("corrupt") if unhealthy else podready.mark_healthy()

signal.signal(signal.SIGUSR2, turn)

async def app(scope, receive, send): ...
"""


@pytest.mark.slow
def test_each_worker_is_healthy_or_not_by_itself(start_pod: StartPod) -> None:
    """/livez fails as long as one of two workers is unhealthy."""
    pod = start_pod(EACH_WORKER, "--workers", "2").ready()

    def reasons() -> list[str | None]:
        return [worker.get("unhealthy", "unknown") for worker in pod.workers()]

    eventually(lambda: reasons() == [None, None], "two workers")
    first, second = (int(worker["pid"]) for worker in pod.workers())
    os.kill(first, signal.SIGUSR2)
    os.kill(second, signal.SIGUSR2)
    eventually(lambda: reasons() == ["corrupt", "corrupt"], "both are unhealthy")
    os.kill(first, signal.SIGUSR2)
    eventually(lambda: None in reasons(), "one is healthy again")
    assert pod.probe("/livez")[0] == 503
    os.kill(second, signal.SIGUSR2)
    eventually(lambda: pod.probe("/livez")[0] == 200, "both are healthy")
    marked = "the app marked this worker"
    eventually(lambda: sum(marked in line for line in pod.messages()) == 4, "a line for each")


def test_warmup_shows_its_progress(start_pod: StartPod) -> None:
    """/startupz tells the stage and the fraction of a warm-up hook."""
    pod = start_pod(
        """
        import pathlib, time, podready
        @podready.warmup("load model")
        def load(progress):
            progress(0.25)
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
        async def app(scope, receive, send): ...
        """
    )
    eventually(lambda: pod.probe("/startupz")[1].get("fraction") == 0.25, "progress")
    status, body = pod.probe("/startupz")
    assert (status, body["stage"]) == (503, "warmup load model")
    (pod.directory / "go").touch()
    pod.ready()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise OSError('no file')", "warmup load failed: OSError: no file"),
        ("time.sleep(600)", "warmup load did not end within 0.2s"),
    ],
)
def test_warmup_that_fails(start_pod: StartPod, body: str, words: str) -> None:
    """A warm-up that raises or hangs ends the start with exit code 3 and its name."""
    pod = start_pod(
        f"""
        import time, podready
        @podready.warmup("load", timeout=0.2)
        def load():
            {body}
        async def app(scope, receive, send): ...
        """
    )
    assert pod.end() == 3
    assert pod.log[-1]["message"] == words
