"""Mistakes of the user: one sentence, the place, exit 2, and nothing left running."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import SHORT, Done, Rehearse, edit

pytestmark = pytest.mark.slow

Break = Callable[[Path], object]


def message(done: Done) -> str:
    """Return the one line of the error; nothing looks like a traceback of ours."""
    assert done.code == 2, done.out + done.err
    told = [line for line in done.err.splitlines() if line.startswith("podready: ")]
    assert len(told) == 1, done.err
    assert 'File "' not in "".join(
        line for line in done.err.splitlines() if not line.startswith("  | ")
    )
    return told[0]


def deployment(old: str, new: str) -> Break:
    """Return a change of the Deployment's manifest."""
    return lambda root: edit(root / "deploy" / "deployment.yaml", old, new)


def service(old: str, new: str) -> Break:
    """Return a change of the Service's manifest."""
    return lambda root: edit(root / "deploy" / "service.yaml", old, new)


def settings(text: str) -> Break:
    """Return the making of podready.toml."""
    return lambda root: (root / "podready.toml").write_text(text)


def no_manifests(root: Path) -> None:
    """Remove every manifest, and the folder."""
    for file in (root / "deploy").iterdir():
        file.unlink()
    (root / "deploy").rmdir()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        pytest.param(no_manifests, ["tiny has no manifests", "deploy/"], id="no manifests"),
        pytest.param(
            settings('manifests = ["k8s"]'),
            ["podready.toml:1: manifests: 'k8s' does not exist"],
            id="missing manifest",
        ),
        pytest.param(
            deployment("spec:\n  replicas: 2", "spec: [\n  replicas: 2"),
            ["deploy/deployment.yaml:", "not YAML"],
            id="malformed YAML",
        ),
        pytest.param(
            deployment("replicas:", "replicsa:"),
            ["deploy/deployment.yaml:6: ", "unknown field 'spec.replicsa'", "'replicas'?"],
            id="unknown field",
        ),
        pytest.param(
            service("{app: tiny}", "{app: huge}"),
            ["deploy/service.yaml:6: ", "selects app=huge", "tiny has app=tiny"],
            id="selector that matches nothing",
        ),
        pytest.param(
            service("targetPort: 8000", "targetPort: web"),
            ["deploy/service.yaml:7: ", "'web'", "no container"],
            id="port that no container has",
        ),
        pytest.param(
            lambda root: (root / "deploy" / "service.yaml").unlink(),
            ["no Service"],
            id="no Service",
        ),
        pytest.param(settings("rsp = 3"), ["podready.toml:1: rsp: unknown key"], id="unknown key"),
        pytest.param(settings("name = "), ["podready.toml:1: not valid TOML"], id="no TOML"),
    ],
)
def test_what_is_wrong_on_paper(
    rehearse: Rehearse, tiny: Path, broken: Break, told: list[str]
) -> None:
    """Found before anything starts, with file and line."""
    broken(tiny)
    done = rehearse(tiny, *SHORT)
    assert done.out == ""
    for part in told:
        assert part in message(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "told", "log"),
    [
        pytest.param(
            deployment("matchLabels: {app: tiny}", "matchLabels: {app: huge}"),
            ["deploy/deployment.yaml:9: Deployment tiny was refused", "does not match"],
            [],
            id="selector that the API refuses",
        ),
        pytest.param(
            lambda root: (root / "Dockerfile").unlink(),
            ["image 'tiny:1' has no Dockerfile", "/tiny/Dockerfile; write one"],
            [],
            id="image without a Dockerfile",
        ),
        pytest.param(
            lambda root: edit(root / "Dockerfile", "CMD", "COMMAND"),
            ["Dockerfile:2: ", "COMMAND"],
            [],
            id="malformed Dockerfile",
        ),
        pytest.param(
            lambda root: edit(root / "Dockerfile", '"podready"', '"podredy"'),
            ["cannot start", '"podredy"', "not found"],
            [],
            id="program that is not there",
        ),
        pytest.param(
            lambda root: (root / "main.py").write_text('raise RuntimeError("no database today")\n'),
            ["container tiny ended with exit code 3", "(pod tiny-"],
            ["RuntimeError: no database today", "main.py"],
            id="crash at import",
        ),
        pytest.param(
            lambda root: (root / "main.py").write_text("import nonsense\n"),
            ["container tiny ended with exit code 3"],
            ["No module named 'nonsense'"],
            id="missing module",
        ),
        pytest.param(
            deployment("path: /readyz", "path: /nonsense"),
            ["was not ready after 15 s", "Readiness probe failed", "404", "(pod tiny-"],
            [],
            id="never ready",
        ),
        pytest.param(
            deployment("env:", "env:\n            - {name: PODREADY_PORT, value: '9000'}"),
            ["container tiny ended with exit code 78"],
            ["--port and --admin-port are both 9000"],
            id="port used twice in the pod",
        ),
        pytest.param(
            deployment("env:", "envFrom: [{secretRef: {name: keys}}]\n          env:"),
            ['secret "keys" not found'],
            [],
            id="missing Secret",
        ),
    ],
)
def test_what_is_wrong_when_it_starts(
    rehearse: Rehearse, tiny: Path, broken: Break, told: list[str], log: list[str]
) -> None:
    """Found by starting it: the pod's event or the app's own last lines, and a quick end."""
    broken(tiny)
    done = rehearse(tiny, *SHORT, "--start-timeout", "15s")
    for part in told:
        assert part in message(done)
    shown = "\n".join(line for line in done.err.splitlines() if line.startswith("  | "))
    for part in log:
        assert part in shown


@pytest.mark.slow
def test_a_port_that_another_process_has(rehearse: Rehearse, tiny: Path) -> None:
    """Plain pods share this machine's ports: whose port is taken says so."""
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        edit(
            tiny / "deploy" / "deployment.yaml",
            "env:",
            f"env:\n            - {{name: PODREADY_PORT, value: '{port}'}}",
        )
        edit(tiny / "deploy" / "service.yaml", "8000", str(port))
        done = rehearse(tiny, *SHORT, "--sandbox", "plain")
    assert "container tiny ended with exit code 3" in message(done)
    assert f"port {port} is taken" in done.err
