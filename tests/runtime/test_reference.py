"""The code in docs/reference/runtime.md, run for real."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from .conftest import Pod, StartPod, eventually

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs/reference/runtime.md").read_text(encoding="utf-8")
SOURCE = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))


@pytest.fixture
def pod(start_pod: StartPod) -> Pod:
    """The page's app, which all its pieces make together."""
    return start_pod(SOURCE, "--grace-period", "20s").ready()


def test_the_bodies_of_the_page(pod: Pod) -> None:
    """What the page shows for a good pod is what a good pod says."""
    _, _, body = pod.get("/readyz", port=pod.admin)
    assert body.decode() in PAGE
    assert pod.probe("/health/storage") == (200, {"status": "ok"})
    assert pod.get("/")[2] == b"hello"


def test_a_long_poll_is_answered_early(pod: Pod) -> None:
    """SIGTERM answers it, the consumer ends, and the process ends with 0."""
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(pod.get("/poll")[2]))
    waiting.start()
    eventually(lambda: "GET /poll" in str(pod.probe("/tasks")), "it waits")
    assert pod.stop() == 0
    waiting.join(20)
    assert answers == [b"come back"]
    assert not pod.errors()


def test_what_the_app_says_of_itself(pod: Pod) -> None:
    """set_ready takes it out of service, mark_unhealthy asks for a restart."""
    pod.get("/rebuild")
    eventually(lambda: pod.probe("/readyz")[0] == 503, "out of service")
    assert pod.probe("/livez")[0] == 200
    pod.get("/corrupt")
    eventually(lambda: pod.probe("/livez")[0] == 503, "unhealthy")
