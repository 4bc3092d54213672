"""A kubelet on a real registry and a real sandbox, and the words to tell a pod's story."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.kubelet.images import ProjectImages
from podready.cluster.kubelet.kubelet import Kubelet, KubeletSettings
from podready.cluster.sandbox.interface import Sandbox
from podready.cluster.sandbox.netns import NetnsSandbox
from podready.errors import ClusterError
from podready.journal import FileJournal, read_journal
from podready.kube.gvk import EVENT, POD, Resource
from podready.kube.meta import Object, get_condition
from podready.kube.status import NotFound

DEADLINE_SECONDS = 30.0

SERVER = """
    import http.server, os, signal, sys
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            print(self.command, self.path, self.headers["User-Agent"], flush=True)
            self.send_response(503 if os.path.exists("/tmp/unready") else 200)
            self.end_headers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.HTTPServer(("HOST", 8000), Answer).serve_forever()
"""


def python(code: str) -> list[str]:
    """Return a command that runs Python code unbuffered."""
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


def server(host: str = "0.0.0.0") -> list[str]:
    """Return a command that serves HTTP on port 8000 and exits 0 on SIGTERM."""
    return python(SERVER.replace("HOST", host))


class FastSleep:
    """Lets back-off delays pass at once, and remembers them."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0.01)


class Node:
    """One node under test."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.project = directory / "project"
        self.project.mkdir()
        self.client = InProcessClient(Registry())
        self.sleep = FastSleep()
        self._journal_path = directory / "journal.jsonl"
        self._journal = FileJournal(self._journal_path)
        self.state_dir = directory / "state"
        self.kubelet = Kubelet(
            self.client,
            sandbox,
            ProjectImages(self.project),
            self._journal,
            self.state_dir,
            settings=KubeletSettings(seed=1, sleep=self.sleep),
        )
        self.dockerfile("CMD sleep 60")

    def dockerfile(self, *lines: str) -> None:
        """Write the project's Dockerfile."""
        text = "\n".join(("FROM python:3.13-slim", *lines, ""))
        (self.project / "Dockerfile").write_text(text)

    async def close(self) -> None:
        """Stop the kubelet."""
        await self.kubelet.stop()
        self._journal.close()

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create an object in the namespace default."""
        return await self.client.create(resource, "default", obj)

    async def pod(self, *containers: Object, name: str = "web", **spec: Any) -> Object:
        """Create a pod that is bound to this node."""
        for number, container in enumerate(containers):
            container.setdefault("name", "web" if number == 0 else f"web-{number}")
            container.setdefault("image", "hello:1")
        pod = {
            "metadata": {"name": name},
            "spec": {"nodeName": "podready", "containers": list(containers), **spec},
        }
        return await self.create(POD, pod)

    async def get(self, name: str = "web") -> Object:
        """Return the pod as the API has it."""
        return await self.client.get(POD, "default", name)

    async def until(
        self, condition: Callable[[Object], Any], what: str, name: str = "web"
    ) -> Object:
        """Return the pod as soon as `condition` holds for it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            pod = await self.get(name)
            if condition(pod):
                return pod
            said = json.dumps(pod.get("status"), indent=1)
            assert time.monotonic() < deadline, f"never: {what}\n{said}\n{await self.events()}"
            await asyncio.sleep(0.01)

    async def until_ready(self, name: str = "web") -> Object:
        """Return the pod as soon as it is ready."""
        return await self.until(lambda pod: is_condition(pod, "Ready"), "the pod is ready", name)

    async def delete(self, name: str = "web", grace: int | None = None) -> None:
        """Ask for the pod's deletion."""
        await self.client.delete(POD, "default", name, grace_period_seconds=grace)

    async def until_gone(self, name: str = "web") -> list[Object]:
        """Wait until the API has the pod no more, and return its states on the way."""
        seen: list[Object] = []
        try:
            version = (await self.get(name))["metadata"]["resourceVersion"]
        except NotFound:
            return seen
        seen.append(await self.get(name))
        events = self.client.watch(POD, "default", resource_version=version)
        async with asyncio.timeout(DEADLINE_SECONDS), contextlib.aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if event.object["metadata"]["name"] != name:
                    continue
                if event.type == "DELETED":
                    break
                seen.append(event.object)
        return seen

    async def until_event(self, reason: str) -> str:
        """Return the message of the first event with this reason, when there is one."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            found = [text for why, text in await self.events() if why == reason]
            if found:
                return found[0]
            await asyncio.sleep(0.01)
        raise AssertionError(f"no event {reason}: {await self.events()}")

    async def events(self) -> list[tuple[str, str]]:
        """Return all events as reason and message."""
        listed = await self.client.list(EVENT, "default")
        return [(event["reason"], event["message"]) for event in listed.items]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """Return the journal's facts of one kind, without time and pod."""
        facts = read_journal(self._journal_path)
        gone = ("t", "pod", "kind")
        return [
            {name: value for name, value in fact.items() if name not in gone}
            for fact in facts
            if fact["kind"] == kind
        ]

    def times(self, *kinds: str) -> list[tuple[str, float]]:
        """Return kind and time of facts, oldest first."""
        return [(f["kind"], f["t"]) for f in read_journal(self._journal_path) if f["kind"] in kinds]

    async def until_fact(self, kind: str) -> None:
        """Wait until the journal has a fact of this kind."""
        await eventually(lambda: self.facts(kind), f"a fact {kind}")

    async def until_log(self, condition: Callable[[str], bool]) -> str:
        """Return what the container wrote, as soon as `condition` holds for it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition(said := await self.log()):
            assert time.monotonic() < deadline, f"never: {said}"
            await asyncio.sleep(0.01)
        return said

    async def log(self, container: str = "web", *, previous: bool = False) -> str:
        """Return what a container wrote."""
        pieces = self.kubelet.pod_logs.open(
            "default", "web", container, previous=previous, follow=False
        )
        return b"".join([piece async for piece in pieces]).decode()


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


def is_condition(pod: Object, kind: str) -> bool:
    """Return whether a condition is True."""
    found = get_condition(pod, kind)
    return found is not None and found["status"] == "True"


def container_status(pod: Object, name: str = "web") -> Object:
    """Return the status of one container, empty before there is any."""
    status = pod.get("status", {})
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    return next((each for each in every if each["name"] == name), {})


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """Return a started node whose pods have namespaces of their own."""
    try:
        sandbox = await NetnsSandbox.start()
    except ClusterError as refusal:
        pytest.skip(str(refusal))
    made = Node(sandbox, tmp_path)
    await made.kubelet.start()
    yield made
    await made.close()
    await sandbox.close()
    assert not (made.state_dir / "pods").exists()
