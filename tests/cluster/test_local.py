"""A whole local cluster, seen from inside one of its pods: names, Services, pods and the host."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.client.http_client import HttpClient

from podready.cluster.local import LocalCluster, LocalClusterConfig
from podready.kube.gvk import POD, SERVICE
from podready.kube.meta import Object, get_condition

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 60.0
SERVE = """
    import http.server
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.client_address[0].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
    http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""
LOOK = """
    import socket, sys, urllib.request
    for target in sys.argv[1:]:
        host, _, port = target.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                said = b"".join(iter(lambda: connection.recv(1000), b"")).decode()
                print(target, connection.getpeername()[0], said.rpartition("\\n")[2])
        except socket.gaierror as error:
            print(target, error.strerror)
        except OSError as error:
            print(target, type(error).__name__)
"""


class Inside:
    """The cluster's API, and a look around from a pod."""

    def __init__(self, cluster: LocalCluster, client: HttpClient, logs: Path) -> None:
        self.cluster, self._client, self._logs = cluster, client, logs

    async def serve(self, name: str, **service: Any) -> Object:
        """Make a ready pod that answers on port 8000, and a Service for it; return the Service."""
        probe = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
        container = {
            "name": "web",
            "image": "x",
            "command": _python(SERVE),
            "readinessProbe": probe,
        }
        metadata = {"name": name, "labels": {"app": name}}
        pod = {"metadata": metadata, "spec": {"containers": [container]}}
        await self._client.create(POD, "default", pod)
        spec = {"selector": {"app": name}, "ports": [{"port": 8000}], **service}
        made = await self._client.create(
            SERVICE, "default", {"metadata": {"name": name}, "spec": spec}
        )
        await self._until(name, _is_ready)
        return made

    async def address(self, name: str) -> str:
        """Return a pod's address."""
        return str((await self._client.get(POD, "default", name))["status"]["podIP"])

    async def look(self, name: str, *targets: str) -> dict[str, str]:
        """Return what a new pod of that name finds at each `host:port`."""
        container = {"name": "look", "image": "x", "command": [*_python(LOOK), *targets]}
        spec = {"restartPolicy": "Never", "containers": [container]}
        await self._client.create(POD, "default", {"metadata": {"name": name}, "spec": spec})
        await self._until(name, lambda pod: pod["status"]["phase"] == "Succeeded")
        log = self._logs / f"default_{name}" / "look" / "0.log"
        return dict(line.split(" ", 1) for line in log.read_text().splitlines())

    async def _until(self, name: str, condition: Callable[[Object], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition(pod := await self._client.get(POD, "default", name)):
            assert time.monotonic() < deadline, pod.get("status")
            await asyncio.sleep(0.05)


def _python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


def _is_ready(pod: Object) -> bool:
    return (get_condition(pod, "Ready") or {}).get("status") == "True"


async def _send_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\nfrom the host")
    await writer.drain()
    writer.close()


@pytest.fixture
async def host_port() -> AsyncIterator[int]:
    """Return a port of this machine's loopback where somebody answers."""
    server = await asyncio.start_server(_send_greeting, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def inside(tmp_path: Path, host_port: int) -> AsyncIterator[Inside]:
    """Return a cluster with one host port; skip where its pods have no network."""
    project, run_dir = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    run_dir.mkdir(mode=0o700)
    dockerfile = project / "Dockerfile"
    dockerfile.write_text("FROM python:3.13-slim\nCMD sleep 60\n")
    config = LocalClusterConfig(
        project, dockerfile, run_dir, endpoint_lag=0.05, host_ports=(host_port,)
    )
    async with LocalCluster(config) as cluster:
        if cluster.dns is None:
            pytest.skip(cluster.limits[0])
        async with HttpClient.from_kubeconfig(cluster.kubeconfig) as client:
            yield Inside(cluster, client, run_dir / "logs")


@pytest.mark.timeout(240)
async def test_what_a_pod_reaches(inside: Inside, host_port: int) -> None:
    """Services by every form of their name, pods by address, the host's named port, no more."""
    web = await inside.serve("web")
    peers = await inside.serve("peers", clusterIP="None")
    assert peers["spec"]["clusterIP"] == "None"
    ip, peer = web["spec"]["clusterIP"], await inside.address("peers")
    host = f"host.podready.internal:{host_port}"

    found = await inside.look(
        "look",
        "web:8000",
        "web.default:8000",
        "web.default.svc.cluster.local:8000",
        f"{ip}:8000",
        "peers:8000",
        f"{peer}:8000",
        host,
        "web:81",
        "nobody:80",
        "www.example.com:80",
    )

    for name in ("web", "web.default", "web.default.svc.cluster.local", ip):
        assert found[f"{name}:8000"].startswith(f"{ip} ")
    for name in ("peers", peer):
        assert found[f"{name}:8000"] == f"{peer} {await inside.address('look')}"
    assert found[host] == "10.96.0.2 from the host"
    assert found["web:81"] == "ConnectionRefusedError"
    assert found["nobody:80"] == found["www.example.com:80"] == "Name or service not known"
    assert inside.cluster.asked_outside == ("nobody", "www.example.com")


async def test_only_named_ports_of_the_host(inside: Inside, host_port: int) -> None:
    """Neither another port of this machine nor its API server is open to pods."""
    api = inside.cluster.url.rpartition(":")[2].strip("/")
    found = await inside.look(
        "look", f"host.podready.internal:{api}", f"127.0.0.1:{host_port}", "kubernetes:443"
    )
    assert set(found.values()) == {"ConnectionRefusedError"}
