"""SIGTERM in the moment between an open port and the supervisor's knowledge of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.frameworks.frameworks import ENGINES
from tests.frameworks.pod import Pod, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pod_that_serves_already_stops_like_any_other(engine: str, tmp_path: Path) -> None:
    """A request that came in is answered and the app shuts down, though it was never "ready"."""
    target = "tests.frameworks.apps.on_blocked_loop:app"
    with closing(Pod(target, tmp_path, ("--engine", engine))) as pod:
        pod.until_marked("blocked")
        early = pod.client().begin("/")
        pod.signal()
        until(lambda: "SIGTERM" in pod.log, "SIGTERM in the log")
        pod.open_gate("go")
        assert early.finish().status == 200
        assert pod.exit_code() == 0
        assert pod.marks[-4:] == ["shutdown", "hook last", "hook hook", "hook first"]
        assert pod.complaints() == []
