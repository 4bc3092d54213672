"""Pods as ordinary processes: what plain can do, and what it says that it cannot."""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.cluster.sandbox.conftest import Spec, is_alive, until

from podready.cluster.sandbox.plain import PlainSandbox

SERVERS = {
    "socketserver": """
        import socketserver
        class Echo(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(b"NAME")
        socketserver.TCPServer(("0.0.0.0", 8017), Echo).serve_forever()
    """,
    "asyncio": """
        import asyncio
        async def main():
            def answer(reader, writer):
                writer.write(b"NAME")
                writer.close()
            server = await asyncio.start_server(answer, None, 8017)
            await server.serve_forever()
        asyncio.run(main())
    """,
    "uvloop": """
        import asyncio, uvloop
        class Answer(asyncio.Protocol):
            def connection_made(self, transport):
                transport.write(b"NAME")
                transport.close()
        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Answer, "0.0.0.0", 8017)
            await server.serve_forever()
        uvloop.run(main())
    """,
}


@pytest.mark.parametrize("kind", SERVERS)
async def test_two_pods_bind_the_same_port(plain: PlainSandbox, spec: Spec, kind: str) -> None:
    """A bind to all addresses becomes one to the pod's own, however the server binds."""
    pods = [await plain.pod("default", name, name) for name in ("one", "two")]
    for pod, name in zip(pods, (b"one", b"two"), strict=True):
        container = spec(code=SERVERS[kind].replace("NAME", name.decode()))
        await pod.start(container)
        await until(
            lambda pod=pod: pod.listening(8017),  # type: ignore[misc]
            f"{kind} listens",
        )
        reader, writer = await asyncio.open_connection(sock=await _connected(pod))
        assert await reader.read() == name
        writer.close()
        await writer.wait_closed()


async def _connected(pod: object) -> object:
    sock = pod.dial()  # type: ignore[attr-defined]
    await asyncio.get_running_loop().sock_connect(sock, (pod.ip, 8017))  # type: ignore[attr-defined]
    return sock


async def test_the_end_of_a_container_takes_its_workers_along(
    plain: PlainSandbox, spec: Spec
) -> None:
    """When the first process ends, the shim kills what it left, in whatever session."""
    container = spec("/bin/sh", "-c", "setsid sleep 65 & echo $!; exec sleep 65")
    pod = await plain.pod("default", "web", "web")
    process = await pod.start(container)
    await until(lambda: container.log.read_text().strip().isdigit(), "the worker is known")
    worker = int(container.log.read_text())

    process.signal(signal.SIGTERM)

    assert (await process.wait()).code == 143
    await until(lambda: not is_alive(worker), "the worker is gone")


async def test_exec_and_sitecustomize(plain: PlainSandbox, spec: Spec) -> None:
    """Commands run beside the container; other environment variables are left alone."""
    container = spec("sleep", "66", PYTHONPATH="/podready-test")
    pod = await plain.pod("default", "web", "web")
    process = await pod.start(container)

    said = await process.exec(("sh", "-c", "echo $PYTHONPATH; exit 4"), container.env, 5)

    assert (said.code, said.output) == (4, b"/podready-test\n")
    process.kill()
    assert (await process.wait()).code == 137


async def test_limits_are_told(plain: PlainSandbox) -> None:
    """The report can say what plain does not show; above all, that the app is not PID 1."""
    assert "not PID 1" in plain.limits[0]
    assert not plain.private_root


async def test_a_close_that_is_cancelled_as_it_is_done_does_end(plain: PlainSandbox) -> None:
    """A task that goes on after its cancellation is waited for for ever."""
    pod = await plain.pod("default", "web", "web")
    closing = asyncio.create_task(pod.close())
    await asyncio.sleep(0)
    pod._link.gone.set()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
