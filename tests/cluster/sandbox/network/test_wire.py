"""Pods wired to the node's network: what they reach, what stays their own, and what ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.cluster.sandbox.conftest import NOBODY, Spec, until

from podready.cluster.sandbox.netns import NetnsSandbox
from podready.cluster.sandbox.network.node_network import NodeNetwork

SERVICE = "10.96.7.7"
SERVE = """
    import socket
    server = socket.create_server(("0.0.0.0", 8000))
    print("up")
    while True:
        connection, (client, _) = server.accept()
        connection.sendall(client.encode())
        connection.close()
"""
CALL = """
    import socket, sys
    for target in sys.argv[1:]:
        host, _, port = target.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                print(target, connection.recv(100).decode())
        except OSError as error:
            print(target, type(error).__name__, error.errno)
    print("done")
"""


def network_of(sandbox: NetnsSandbox) -> NodeNetwork:
    """Return the pods' shared network; skip where the kernel has no veth devices."""
    if sandbox.service_network is None:
        pytest.skip(sandbox.limits[0])
    return sandbox.service_network


async def call(sandbox: NetnsSandbox, spec: Spec, *targets: str) -> list[str]:
    """Return what a pod finds at each `host:port`, one line each."""
    pod = await sandbox.pod("default", "caller", "caller")
    container = spec(code=CALL)
    container.log.unlink(missing_ok=True)
    process = await pod.start(replace(container, argv=(*container.argv, *targets)))
    await process.wait()
    said = container.log.read_text().splitlines()
    await pod.close()
    assert said[-1] == "done"
    return said[:-1]


@pytest.mark.slow
async def test_pods_reach_one_another_by_address(netns: NetnsSandbox, spec: Spec) -> None:
    """A pod's server sees the other pod's own address; a pod that is gone is unreachable."""
    if not network_of(netns).joins_pods:
        pytest.skip("/proc/sys is read-only here")
    server = await netns.pod("default", "server", "server")
    container = spec(code=SERVE)
    await server.start(container)
    await until(lambda: container.log.read_text() == "up\n", "the server listens")

    (said,) = await call(netns, spec, f"{server.ip}:8000")
    assert said.startswith(f"{server.ip}:8000 10.244.0.")
    assert not said.endswith(server.ip)
    await server.close()

    (said,) = await call(netns, spec, f"{server.ip}:8000")
    assert "Error" in said


async def test_an_address_of_a_service_leads_to_this_process(
    netns: NetnsSandbox, spec: Spec
) -> None:
    """What listens there accepts from the pod's address; an address without a listener refuses."""
    listener = network_of(netns).listen(SERVICE, 80)
    loop = asyncio.get_running_loop()

    async def answer() -> str:
        connection, (client, _) = await loop.sock_accept(listener)
        with connection:
            await loop.sock_sendall(connection, b"hello")
        return str(client)

    answering = asyncio.create_task(answer())
    said = await call(netns, spec, f"{SERVICE}:80", f"{SERVICE}:81")

    assert said == [f"{SERVICE}:80 hello", f"{SERVICE}:81 ConnectionRefusedError 111"]
    assert (await answering).startswith("10.244.0.")
    listener.close()


async def test_a_service_port_never_takes_a_pods_own(netns: NetnsSandbox, spec: Spec) -> None:
    """A Service on port 8000 leaves port 8000 of all addresses to the pod, as in a cluster."""
    with network_of(netns).listen(SERVICE, 8000):
        pod = await netns.pod("default", "web", "web")
        container = spec(code=SERVE)
        await pod.start(container)
        await until(lambda: container.log.read_text() == "up\n", "the pod binds 0.0.0.0:8000")
        assert pod.listening(8000)


async def test_nothing_outside_is_reached(netns: NetnsSandbox, spec: Spec) -> None:
    """What is neither pod nor Service is unreachable at once; nobody has to wait for a timeout."""
    network_of(netns)
    said = await call(netns, spec, "192.0.2.1:80")  # TEST-NET-1: nobody's
    assert said == ["192.0.2.1:80 OSError 101"]  # ENETUNREACH


async def test_a_taken_port_is_an_error(netns: NetnsSandbox) -> None:
    """Two listeners cannot share a port; the first goes on."""
    network = network_of(netns)
    with network.listen(SERVICE, 80), pytest.raises(OSError, match="in use"):
        network.listen(SERVICE, 80)
    with network.datagrams(SERVICE, 53), network.listen(SERVICE, 53):
        pass  # UDP and TCP do not meet


async def test_resolver_files(netns: NetnsSandbox, spec: Spec) -> None:
    """The pod's own name server, search list of its namespace, and this machine's name."""
    network_of(netns)
    pod = await netns.pod("shop", "web", "web")
    container = spec("cat", "/etc/resolv.conf", "/etc/hosts")
    await (await pod.start(container)).wait()
    said = container.log.read_text()
    assert "search shop.svc.cluster.local svc.cluster.local cluster.local\n" in said
    assert "nameserver 10.96.0.10\n" in said
    assert "10.96.0.2\thost.podready.internal\n" in said


ROOTLESS = """
    import asyncio, sys
    from podready.cluster.sandbox.netns import NetnsSandbox
    from podready.errors import ClusterError

    async def main():
        try:
            sandbox = await NetnsSandbox.start()
        except ClusterError as refusal:
            print("unsupported:", refusal)
            return
        if sandbox.service_network is None:
            print("unsupported:", sandbox.limits[0])
            return
        pods = [await sandbox.pod("default", str(n), str(n)) for n in range(3)]
        listener = sandbox.service_network.listen("10.96.7.7", 80)
        for pod in pods:
            sock = pod.dial()
            sock.settimeout(10)
            sock.connect(("10.96.7.7", 80))
            print(sock.getsockname()[0])
        listener.close()
        await sandbox.close()

    asyncio.run(main())
"""


@pytest.mark.slow
async def test_wires_without_root(nobody: Callable[..., subprocess.Popen[str]]) -> None:
    """An ordinary user's pods have wires too, where user namespaces work."""
    assert os.geteuid() != NOBODY
    process = nobody(ROOTLESS)
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    if said.startswith("unsupported:"):
        pytest.skip(said)
    assert said.splitlines() == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    assert process.returncode == 0
